using System.Diagnostics;
using System.Threading.Channels;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>A request of a <see cref="ContinuousBatcher"/>: its prompt, settings, adapters, and the tokens so far.</summary>
internal sealed class ServedRequest(LanguageModel model, IReadOnlyList<int> prompt, GenerationSettings settings, PassScope? scope, CancellationToken cancellation) : IDisposable
{
    private readonly Channel<int> channel = Channel.CreateUnbounded<int>(new() { SingleReader = true, SingleWriter = true });
    private readonly List<int> sequence = [.. prompt];
    private readonly long submitted = Stopwatch.GetTimestamp();
    private LogitsPipeline? pipeline;
    private Sampler? sampler;
    private int limit;
    private long begun, first;

    public IReadOnlyList<int> Prompt => prompt;

    public GenerationSettings Settings => settings;

    /// <summary>The scope that selects its adapters; null if the model has none.</summary>
    public PassScope? Scope => scope;

    public CancellationToken Cancellation => cancellation;

    /// <summary>The tokens as they are chosen.</summary>
    public ChannelReader<int> Tokens => channel.Reader;

    /// <summary>Its adapter in a shared batch.</summary>
    public Adapter? Adapter { get; set; }

    /// <summary>Maximum number of tokens that remain to be generated.</summary>
    public int Remaining => limit - Added;

    /// <summary>Number of new tokens.</summary>
    public int Added => sequence.Count - prompt.Count;

    /// <summary>The last token.</summary>
    public int Last => sequence[^1];

    /// <summary>True for greedy search without processors, so that the argmax of all rows can be computed together.</summary>
    public bool IsPlain => pipeline!.IsEmpty && !settings.DoSample;

    /// <summary>True if it has ended: by an end token, at its limit, or because the caller stopped reading.</summary>
    public bool HasEnded { get; private set; }

    /// <summary>True once its prompt has been processed.</summary>
    public bool HasBegun => begun != 0;

    /// <summary>The time spent in the queue.</summary>
    public TimeSpan Waited => Stopwatch.GetElapsedTime(submitted, begun);

    /// <summary>The time to its first token; null before.</summary>
    public TimeSpan? ToFirstToken => first == 0 ? null : Stopwatch.GetElapsedTime(submitted, first);

    /// <summary>The mean time for each token after the first; null before there are two.</summary>
    public TimeSpan? PerToken => Added < 2 ? null : Stopwatch.GetElapsedTime(first) / (Added - 1);

    /// <summary>Prepares the choice of tokens.</summary>
    /// <param name="maximum">Maximum number of new tokens.</param>
    public void Begin(int maximum)
    {
        (limit, begun) = (maximum, Stopwatch.GetTimestamp());
        pipeline = new LogitsPipeline(settings, maximum, prompt.Count == 1);
        sampler = new Sampler(settings.DoSample, settings.Seed, model.Device);
    }

    /// <summary>Chooses the next token by the request's own rules and random generator.</summary>
    /// <param name="logits"><c>[1, vocabulary]</c></param>
    /// <exception cref="GenerationException">The logits are not finite, or the options leave no token to choose.</exception>
    public int Choose(Tensor logits)
    {
        using var free = NewDisposeScope();
        if (settings.Changes.RemoveInvalidValues != true) ScoreRules.RequireLogits(logits, Added);
        var scores = settings.DoSample || !pipeline!.IsEmpty ? logits.to_type(ScalarType.Float32) : logits;
        if (!pipeline!.IsEmpty)
        {
            scores = pipeline.Process(new LogitsContext([prompt], [sequence], Added), scores);
            ScoreRules.RequireChoice(scores, Added, settings);
        }
        return (int)sampler!.Pick(scores).item<long>();
    }

    /// <summary>Adds a token and passes it to the caller.</summary>
    public void Take(int token)
    {
        if (first == 0) first = Stopwatch.GetTimestamp();
        sequence.Add(token);
        channel.Writer.TryWrite(token);
        if (Remaining <= 0 || settings.EndTokenIds.Contains(token)) HasEnded = true;
    }

    /// <summary>Ends the request; the caller gets the exception, if there is one, after the tokens so far.</summary>
    public void End(Exception? error = null)
    {
        HasEnded = true;
        channel.Writer.TryComplete(error);
        Dispose();
    }

    public void Dispose()
    {
        sampler?.Dispose();
        sampler = null;
        scope?.Dispose();
    }
}
