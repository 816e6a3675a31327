namespace OnnxVlm.Tokenizers.PreTokenizers;

/// <summary>A step that cuts a text into pieces, none of whose borders a token crosses. Has no state that changes.</summary>
internal interface IPreTokenizer
{
    void Apply(Pieces pieces);
}
