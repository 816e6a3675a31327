namespace OnnxVlm.Tokenizers.PreTokenizers;

/// <summary>A range of a text.</summary>
internal readonly record struct Piece(int Start, int End);
