using Microsoft.Extensions.AI;

namespace Peft.Server;

/// <summary>Numbers of tokens.</summary>
internal sealed record Usage(long PromptTokens, long CompletionTokens, long TotalTokens)
{
    public static Usage? Of(UsageDetails? usage) => usage is null ? null : new(usage.InputTokenCount ?? 0, usage.OutputTokenCount ?? 0, usage.TotalTokenCount ?? 0);
}
