namespace Peft.Server;

/// <summary>The body of vLLM's <c>/v1/unload_lora_adapter</c>.</summary>
internal sealed record UnloadRequest(string? LoraName);
