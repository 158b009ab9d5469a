using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;

namespace Peft.Models;

/// <summary>
/// A language model as an <see cref="IChatClient"/>: messages become a prompt by the tokenizer's chat template, and the answer comes token by token.
/// Safe for use from several threads: one answer at a time is computed for a model, the others wait. An answer is written by the same adapters from its first token to its last,
/// whatever happens to the model meanwhile.
/// </summary>
/// <remarks>
/// <see cref="ChatOptions.ModelId"/> names the adapter that answers, or <see cref="PeftModel.Base"/> for none. Of the other <see cref="ChatOptions"/> the limits, temperature, top k and p, seed, stop sequences, instructions and tools are heeded;
/// <see cref="ChatOptions.AdditionalProperties"/> are variables of the template. Calls of tools become <see cref="FunctionCallContent"/> where tools are offered
/// and the format is known (<see cref="ToolCallFormat"/>); what is not well formed stays text. The results go back as <see cref="FunctionResultContent"/>.
/// The client does not own the model: disposing it does nothing.
/// </remarks>
public sealed class CausalLMChatClient : IChatClient
{
    readonly CausalLM model;
    readonly Tokenizer tokenizer;
    readonly GenerationOptions generation;
    readonly ChatTemplateOptions template;
    readonly RequestedAdapter adapters;
    readonly ChatClientMetadata metadata;
    readonly ToolCallMarks? marks;

    /// <summary>Makes a client.</summary>
    /// <param name="model">The model, with or without adapters.</param>
    /// <param name="tokenizer">Its tokenizer, with a chat template.</param>
    /// <param name="generation">How to generate where a request does not say.</param>
    /// <param name="template">What the template is told besides the messages.</param>
    /// <param name="toolCalls">How the model writes that it calls tools.</param>
    /// <param name="adapter">The adapter that answers where a request names no other, or <see cref="PeftModel.Base"/>; those in effect if null.</param>
    /// <exception cref="ChatTemplateException">The tokenizer has no chat template, or one that cannot be read.</exception>
    /// <exception cref="AdapterNotFoundException">The model has no such adapter.</exception>
    public CausalLMChatClient(CausalLM model, Tokenizer tokenizer, GenerationOptions? generation = null, ChatTemplateOptions? template = null, ToolCallFormat toolCalls = ToolCallFormat.FromTemplate, string? adapter = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(tokenizer);
        (this.model, this.tokenizer, this.template) = (model, tokenizer, template ?? new());
        marks = ToolCallMarks.Of(toolCalls, ChatTokenizing.Template(tokenizer));
        var defaults = GenerationSettings.Resolve(generation, model.GenerationDefaults, model.Config, model.Spec.VocabularySize);
        // Answers are streamed, which a beam search cannot do: what the model's file says of beams and several sequences does not count.
        this.generation = (generation ?? new()) with
        {
            EndTokenIds = generation?.EndTokenIds ?? EndTokens(defaults, tokenizer), StopStrings = defaults.StopStrings, NumBeams = generation?.NumBeams ?? 1, NumReturnSequences = generation?.NumReturnSequences ?? 1,
        };
        adapters = new(model, model.NameOrPath, adapter);
        metadata = new("peft", defaultModelId: adapters.Id);
    }

    /// <inheritdoc/>
    /// <exception cref="ChatTemplateException">The template fails or refuses the conversation.</exception>
    /// <exception cref="ArgumentException">An option makes no sense, or ModelId names no adapter.</exception>
    /// <exception cref="NotSupportedException">An option asks for what a local model cannot promise.</exception>
    public Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
        => GetStreamingResponseAsync(messages, options, cancellationToken).ToChatResponseAsync(cancellationToken);

    /// <inheritdoc/>
    /// <exception cref="ChatTemplateException">The template fails or refuses the conversation.</exception>
    /// <exception cref="ArgumentException">An option makes no sense, or ModelId names no adapter.</exception>
    /// <exception cref="NotSupportedException">An option asks for what a local model cannot promise.</exception>
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

    async IAsyncEnumerable<ChatResponseUpdate> Answer(
        IReadOnlyList<int> prompt, GenerationOptions settings, ToolCallReader? calls, string? adapter, PassScope? scope, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        // Before the wait for a turn: an adapter that is deleted meanwhile still answers.
        using var own = adapters.Use(adapter);
        if (own is not null) scope = PeftModel.Of(model)!.CurrentScope;
        using var turn = await ModelGate.EnterAsync(model, cancellationToken).ConfigureAwait(false);
        var text = new AnswerText(tokenizer.CreateStreamingDecoder(), settings.StopStrings ?? []);
        var id = Guid.NewGuid().ToString("N");
        var (count, last) = (0, -1);
        // Some tokenizers have the mark as a special token.
        var mark = calls is null ? null : tokenizer.TokenToId(marks!.Start);
        await foreach (var token in TextGeneration.TokensAsync(model, prompt, settings with { StopStrings = [] }, scope, cancellationToken).ConfigureAwait(false))
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

    // Chat models end a message with the tokenizer's end of sequence, which their config.json does not always name.
    static List<int> EndTokens(GenerationSettings defaults, Tokenizer tokenizer)
    {
        var ends = defaults.EndTokenIds.ToList();
        if (tokenizer.EndOfSequenceId is { } end && !ends.Contains(end)) ends.Add(end);
        return ends;
    }
}
