namespace Peft.Tokenizers.Jinja;

/// <summary>A macro in the template's syntax.</summary>
internal sealed record MacroDefinition(
    string Name, IReadOnlyList<(string Name, Expression? Default)> Parameters, Block Body, bool TakesMore, bool TakesMoreNamed, bool TakesCaller);
