namespace Peft;

/// <summary>What one flow of a program (a thread, and what it awaits or starts) has said about its passes.</summary>
/// <param name="Scope">The innermost scope that it has opened; those that have ended count no more.</param>
/// <param name="Pass">The pass that it is inside of.</param>
internal sealed record PassFlow(PassScope? Scope, PassLease? Pass);
