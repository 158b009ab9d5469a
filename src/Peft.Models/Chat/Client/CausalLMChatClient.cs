using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;
using Peft.Tokenizers;

namespace Peft.Models;

/// <summary>
/// An <see cref="IChatClient"/> for a language model: the tokenizer's chat template renders the messages to a prompt, and the answer is streamed token by token.
/// Thread-safe: a model computes one answer at a time and other requests wait; with a <see cref="ContinuousBatcher"/> they share forward passes. The adapters of an answer are fixed at its first token, even if the model's adapters
/// change meanwhile.
/// </summary>
/// <remarks>
/// <see cref="ChatOptions.ModelId"/> selects the adapter, or <see cref="PeftModel.Base"/> for none. Of the other <see cref="ChatOptions"/>, the maximum number of
/// tokens, temperature, top-k, top-p, seed, stop sequences, instructions and tools are supported.
/// <see cref="ChatOptions.AdditionalProperties"/> are passed to the template as variables. Tool calls become <see cref="FunctionCallContent"/> if the request has tools
/// and the format is known (<see cref="ToolCallFormat"/>). Malformed calls remain text. Pass the results back as <see cref="FunctionResultContent"/>.
/// The client does not own the model: disposing it does nothing.
/// </remarks>
public sealed class CausalLMChatClient : IChatClient
{
    private readonly CausalLM model;
    private readonly Tokenizer tokenizer;
    private readonly GenerationOptions generation;
    private readonly ChatTemplateOptions template;
    private readonly RequestedAdapter adapters;
    private readonly ChatClientMetadata metadata;
    private readonly ToolCallMarks? marks;
    private readonly ContinuousBatcher? batcher;

    /// <summary>Creates a client.</summary>
    /// <param name="model">The model, with or without adapters.</param>
    /// <param name="tokenizer">Its tokenizer, with a chat template.</param>
    /// <param name="generation">Generation options for requests that do not set them.</param>
    /// <param name="template">Options of the chat template.</param>
    /// <param name="toolCalls">Format of the model's tool calls.</param>
    /// <param name="adapter">The adapter, or <see cref="PeftModel.Base"/>, for requests that name no other; null for the active adapters.</param>
    /// <exception cref="ChatTemplateException">The tokenizer has no chat template, or an invalid one.</exception>
    /// <exception cref="AdapterNotFoundException">The model has no such adapter.</exception>
    public CausalLMChatClient(CausalLM model, Tokenizer tokenizer, GenerationOptions? generation = null, ChatTemplateOptions? template = null, ToolCallFormat toolCalls = ToolCallFormat.FromTemplate, string? adapter = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(tokenizer);
        (this.model, this.tokenizer, this.template) = (model, tokenizer, template ?? new());
        marks = ToolCallMarks.Of(toolCalls, ChatTokenizing.Template(tokenizer));
        var defaults = GenerationSettings.Resolve(generation, model.GenerationDefaults, model.Config, model.Spec.VocabularySize);
        // Beam search cannot stream. Beams and multiple sequences in the model's file are ignored.
        this.generation = (generation ?? new()) with
        {
            EndTokenIds = generation?.EndTokenIds ?? EndTokens(defaults, tokenizer),
            StopStrings = defaults.StopStrings,
            NumBeams = generation?.NumBeams ?? 1,
            NumReturnSequences = generation?.NumReturnSequences ?? 1,
        };
        adapters = new(model, model.NameOrPath, adapter);
        metadata = new("peft", defaultModelId: adapters.Id);
    }

    internal CausalLMChatClient(ContinuousBatcher batcher, Tokenizer tokenizer, GenerationOptions? generation, ChatTemplateOptions? template, ToolCallFormat toolCalls, string? adapter)
        : this(batcher.Model, tokenizer, generation, template, toolCalls, adapter) => this.batcher = batcher;

    /// <inheritdoc/>
    /// <exception cref="ChatTemplateException">The template fails or rejects the conversation.</exception>
    /// <exception cref="ArgumentException">An option is invalid, or ModelId names no adapter.</exception>
    /// <exception cref="NotSupportedException">An option requires a guarantee that a local model cannot give.</exception>
    public Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
        => GetStreamingResponseAsync(messages, options, cancellationToken).ToChatResponseAsync(cancellationToken);

    /// <inheritdoc/>
    /// <exception cref="ChatTemplateException">The template fails or rejects the conversation.</exception>
    /// <exception cref="ArgumentException">An option is invalid, or ModelId names no adapter.</exception>
    /// <exception cref="NotSupportedException">An option requires a guarantee that a local model cannot give.</exception>
    public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        if (options?.Instructions is { Length: > 0 } instructions) messages = messages.Prepend(new(ChatRole.System, instructions));
        var settings = ChatOptionsMapping.Generation(options, generation);
        var rendering = ChatOptionsMapping.Template(options, template);
        var prompt = tokenizer.ApplyChatTemplate(messages, rendering, cancellationToken: cancellationToken).Ids;
        var calls = marks is not null && rendering.Tools is { Count: > 0 } tools ? new ToolCallReader(marks, [.. tools.Select(tool => tool.Name)]) : null;
        var (adapter, scope) = (adapters.Of(options?.ModelId), PeftModel.Of(model)?.CurrentScope);
        return Answer(prompt, settings, calls, adapter, scope, cancellationToken);
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        if (serviceKey is not null) return null;
        return new object[] { metadata, model, tokenizer, this }.FirstOrDefault(serviceType.IsInstanceOfType);
    }

    /// <inheritdoc/>
    public void Dispose() { }

    private async IAsyncEnumerable<ChatResponseUpdate> Answer(
        IReadOnlyList<int> prompt, GenerationOptions settings, ToolCallReader? calls, string? adapter, PassScope? scope, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        // Entered before waiting for the model, so that an adapter that is deleted in the meantime still answers.
        using var own = batcher is null ? adapters.Use(adapter) : null;
        if (own is not null) scope = PeftModel.Of(model)!.CurrentScope;
        using var turn = batcher is null ? await ModelGate.EnterAsync(model, cancellationToken).ConfigureAwait(false) : null;
        var unstopped = settings with { StopStrings = [] };
        var tokens = batcher is null ? TextGeneration.TokensAsync(model, prompt, unstopped, scope, cancellationToken) : batcher.GenerateTokensAsync(prompt, unstopped, adapter, cancellationToken);
        var text = new AnswerText(tokenizer.CreateStreamingDecoder(), settings.StopStrings ?? []);
        var id = Guid.NewGuid().ToString("N");
        var (count, last) = (0, -1);
        // In some tokenizers the start mark of a call is a special token.
        var mark = calls is null ? null : tokenizer.TokenToId(marks!.Start);
        await foreach (var token in tokens.ConfigureAwait(false))
        {
            (count, last) = (count + 1, token);
            var piece = token == mark ? text.Insert(marks!.Start) : text.Push(token);
            foreach (var content in Contents(piece, final: false)) yield return Update(content);
            if (text.Stopped) break;
        }
        foreach (var content in Contents(text.Flush(), final: true)) yield return Update(content);
        var usage = Update(new UsageContent(new() { InputTokenCount = prompt.Count, OutputTokenCount = count, TotalTokenCount = prompt.Count + count }));
        usage.FinishReason = calls?.Called == true ? ChatFinishReason.ToolCalls : text.Stopped || settings.EndTokenIds!.Contains(last) ? ChatFinishReason.Stop : ChatFinishReason.Length;
        yield return usage;

        IEnumerable<AIContent> Contents(string piece, bool final)
            => calls is null ? piece.Length > 0 ? [new TextContent(piece)] : [] : final ? [.. calls.Push(piece), .. calls.Flush()] : calls.Push(piece);

        ChatResponseUpdate Update(AIContent content) => new(ChatRole.Assistant, [content])
        {
            ResponseId = id,
            MessageId = id,
            ModelId = adapter is null or PeftModel.Base ? metadata.DefaultModelId : adapter,
            CreatedAt = template.Clock.GetUtcNow(),
        };
    }

    // Chat models end a message with the tokenizer's end-of-sequence token, which their config.json does not always list.
    private static List<int> EndTokens(GenerationSettings defaults, Tokenizer tokenizer)
    {
        var ends = defaults.EndTokenIds.ToList();
        if (tokenizer.EndOfSequenceId is { } end && !ends.Contains(end)) ends.Add(end);
        return ends;
    }
}
