namespace OnnxVlm.Tokenizers.PreTokenizers;

/// <summary>A step that splits a text into pieces; no token crosses their borders. Immutable.</summary>
internal interface IPreTokenizer
{
    void Apply(Pieces pieces);
}
