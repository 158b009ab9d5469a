namespace Peft.Tokenizers;

/// <summary>An entry of a template: sequence 0 or 1, or special tokens.</summary>
internal readonly record struct TemplatePiece(int? Sequence, int TypeId, IReadOnlyList<(int Id, string Token)> Tokens);
