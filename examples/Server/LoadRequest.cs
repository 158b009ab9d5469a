namespace Peft.Server;

/// <summary>The body of vLLM's <c>/v1/load_lora_adapter</c>; <paramref name="LoadInplace"/> replaces an adapter of that name.</summary>
internal sealed record LoadRequest(string? LoraName, string? LoraPath, bool LoadInplace = false);
