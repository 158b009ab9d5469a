using System.Text.Json;
using Microsoft.Extensions.AI;
using Peft.Models;
using Peft.Tokenizers;

namespace Peft;

/// <summary>
/// Completions that call tools: the calls of an answer are run, their results follow it as the chat template renders them, and the policy continues. The tokens of results are not the policy's, so that it is not trained on them.
/// </summary>
/// <param name="options">The tools and their bounds.</param>
/// <param name="positions">Number of positions of the model.</param>
/// <param name="ends">Tokens that end an answer.</param>
/// <param name="generate">Continues prompts by at most some tokens.</param>
internal sealed class ToolRounds(RolloutOptions options, int positions, IReadOnlyCollection<int> ends, Func<IReadOnlyList<IReadOnlyList<int>>, int, IReadOnlyList<IReadOnlyList<int>>> generate)
{
    private readonly Tokenizer tokenizer = (Tokenizer)options.Tokenizer!;
    private readonly ToolCallMarks marks = MarksOf(options)!;
    private readonly Dictionary<string, AIFunction> tools = options.Tools.ToDictionary(tool => tool.Name);

    /// <summary>Reasons that tools cannot be used; empty if they can.</summary>
    public static IEnumerable<string> Errors(RolloutOptions options)
    {
        if (options.Tools.Count == 0) yield break;
        if (options.Tokenizer is not Tokenizer { ChatTemplate: not null }) yield return $"{nameof(options.Tools)} need a {nameof(options.Tokenizer)} with a chat template, which shows the format of calls and results.";
        else if (MarksOf(options) is null) yield return "The chat template shows no format of tool calls that is known: use a model that was trained to call tools, or leave Tools out.";
        if (options.Tools.GroupBy(tool => tool.Name).FirstOrDefault(same => same.Count() > 1) is { } twice) yield return $"Two tools have the name '{twice.Key}': give each its own.";
        if (options.MaxToolRounds < 1) yield return $"MaxToolRounds must be 1 or more, but was {options.MaxToolRounds}.";
    }

    private static ToolCallMarks? MarksOf(RolloutOptions options) => ToolCallMarks.Of(ToolCallFormat.FromTemplate, ((Tokenizer)options.Tokenizer!).ChatTemplate!);

    /// <summary>Runs the calls of completions, and continues them.</summary>
    /// <param name="completions">The first answers.</param>
    /// <param name="cancellation">Ends tools that take long.</param>
    public IReadOnlyList<Completion> Run(IReadOnlyList<Completion> completions, CancellationToken cancellation)
    {
        var whole = completions.ToArray();
        var turns = whole.Select(each => each.Tokens).ToArray();
        int[] active = [.. Enumerable.Range(0, whole.Length)];
        for (var round = 0; round < (options.MaxToolRounds ?? int.MaxValue); round++)
        {
            var calls = active.Select(i => (Index: i, Calls: CallsOf(turns[i]))).Where(each => each.Calls.Count > 0).ToList();
            var results = Task.WhenAll(calls.Select(each => Task.WhenAll(each.Calls.Select(call => RunAsync(call, cancellation))))).GetAwaiter().GetResult();
            for (var k = 0; k < calls.Count; k++) whole[calls[k].Index] = Followed(whole[calls[k].Index], calls[k].Calls, results[k]);
            active = [.. calls.Select(each => each.Index).Where(i => whole[i].IsResult is { } last && last[^1])];
            if (active.Length == 0) break;
            var answers = generate([.. active.Select(i => (IReadOnlyList<int>)[.. whole[i].Prompt, .. whole[i].Tokens])], active.Max(i => options.MaxCompletionLength - whole[i].Tokens.Count));
            for (var k = 0; k < active.Length; k++)
            {
                var one = whole[active[k]];
                var answer = turns[active[k]] = [.. answers[k].Take(options.MaxCompletionLength - one.Tokens.Count)];
                whole[active[k]] = one with { Tokens = [.. one.Tokens, .. answer], IsResult = [.. one.IsResult!, .. answer.Select(_ => false)], IsTruncated = !ends.Contains(answer[^1]) };
            }
        }
        return [.. whole.Select(each => each.IsResult is null ? each : each with { Text = tokenizer.Decode(each.Tokens) })];
    }

    // Marks may be special tokens, but the end of the answer is no part of a call.
    private List<FunctionCallContent> CallsOf(IReadOnlyList<int> turn)
    {
        if (!ends.Contains(turn[^1])) return [];
        var reader = new ToolCallReader(marks, tools.Keys);
        return [.. reader.Push(tokenizer.Decode([.. turn.SkipLast(1)], skipSpecialTokens: false)).Concat(reader.Flush()).OfType<FunctionCallContent>()];
    }

    // The policy sees what went wrong.
    private async Task<FunctionResultContent> RunAsync(FunctionCallContent call, CancellationToken cancellation)
    {
        try
        {
            if (!tools.TryGetValue(call.Name, out var tool)) throw new InvalidOperationException($"There is no tool '{call.Name}'.");
            return new(call.CallId, await tool.InvokeAsync(new(call.Arguments), cancellation).ConfigureAwait(false));
        }
        catch (Exception error) when (error is not OperationCanceledException || !cancellation.IsCancellationRequested)
        {
            return new(call.CallId, JsonSerializer.SerializeToElement(new Dictionary<string, string> { ["error"] = error.Message })) { Exception = error };
        }
    }

    // With the results; without them if they leave no room for an answer.
    private Completion Followed(Completion completion, IReadOnlyList<FunctionCallContent> calls, IReadOnlyList<FunctionResultContent> results)
    {
        var added = Rendered(calls, results);
        var with = completion with { ToolCalls = [.. completion.ToolCalls, .. calls], FailedToolCalls = completion.FailedToolCalls + results.Count(result => result.Exception is not null) };
        var length = completion.Tokens.Count + added.Count;
        if (length >= options.MaxCompletionLength || completion.Prompt.Count + length >= positions) return with;
        return with with { Tokens = [.. completion.Tokens, .. added], IsResult = [.. completion.IsResult ?? [.. completion.Tokens.Select(_ => false)], .. added.Select(_ => true)] };
    }

    // What the template adds to a conversation after the end of the calls.
    private List<int> Rendered(IReadOnlyList<FunctionCallContent> calls, IReadOnlyList<FunctionResultContent> results)
    {
        ChatMessage[] before = [new(ChatRole.User, "?"), new(ChatRole.Assistant, [.. calls])];
        var whole = tokenizer.ApplyChatTemplate([.. before, .. results.Select(result => new ChatMessage(ChatRole.Tool, [result]))], new() { AddGenerationPrompt = true }).Ids;
        var own = tokenizer.ApplyChatTemplate(before, new ChatTemplateOptions()).Ids;
        // A template may write a line break after the end of a turn.
        var last = own.Select((id, i) => ends.Contains(id) ? i : -1).Max();
        var begin = last < 0 ? own.Count : last + 1;
        return whole.Take(begin).SequenceEqual(own.Take(begin)) ? [.. whole.Skip(begin)]
            : throw new TrainingException("The chat template renders an answer differently when results of tools follow it, so that they cannot be added to what the policy wrote. Use another template.");
    }
}
