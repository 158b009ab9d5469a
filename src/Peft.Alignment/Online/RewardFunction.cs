namespace Peft;

/// <summary>A function that gives completions rewards, which reinforcement learning maximizes.</summary>
public sealed record RewardFunction
{
    private RewardFunction(string name, Func<IReadOnlyList<Completion>, CancellationToken, Task<IReadOnlyList<double?>>> score) => (Name, Score) = (name, score);

    /// <summary>Name in the metrics.</summary>
    public string Name { get; }

    /// <summary>Weight among several functions. 1 by default.</summary>
    public double Weight { get; init; } = 1;

    /// <summary>Gives each completion a reward; null where the function does not apply.</summary>
    internal Func<IReadOnlyList<Completion>, CancellationToken, Task<IReadOnlyList<double?>>> Score { get; }

    /// <summary>A function of one completion.</summary>
    /// <param name="name">Name in the metrics.</param>
    /// <param name="score">Returns a finite number, or null where the function does not apply.</param>
    public static RewardFunction Of(string name, Func<Completion, double?> score)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentNullException.ThrowIfNull(score);
        return new(name, (completions, _) => Task.FromResult<IReadOnlyList<double?>>([.. completions.Select((completion, i) => Guarded(name, completion, i, score))]));
    }

    /// <summary>A function of all completions of a step together, such as a reward model or a service.</summary>
    /// <param name="name">Name in the metrics.</param>
    /// <param name="score">Returns a finite number for each completion, or null where the function does not apply. Its token is the run's.</param>
    public static RewardFunction OfAll(string name, Func<IReadOnlyList<Completion>, CancellationToken, Task<IReadOnlyList<double?>>> score)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentNullException.ThrowIfNull(score);
        return new(name, score);
    }

    /// <summary>The scores of a reward model, trained by <see cref="RewardObjective"/>, for prompts with their completions.</summary>
    /// <param name="name">Name in the metrics.</param>
    /// <param name="model">The reward model: a <see cref="Models.SequenceClassifier"/> of one label with the policy's vocabulary, with or without an adapter. The caller keeps ownership. A completion that was cut off is scored with the end-of-sequence token, as the
    /// texts of a <see cref="RewardDataset"/> have it.</param>
    /// <param name="batchSize">Number of completions per forward pass. 64 by default.</param>
    /// <param name="tokenizer">The tokenizer of the model. Required where prompts are conversations: these and their answers are rendered by its chat template, as a <see cref="RewardDataset"/> has them. Such answers must not call tools.</param>
    /// <exception cref="AdapterOptionsException">The model has more than one label.</exception>
    public static RewardFunction OfModel(string name, Models.SequenceClassifier model, int batchSize = 64, Tokenizer? tokenizer = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        var scores = new ModelScores(model, batchSize, tokenizer);
        return new(name, (completions, _) => Task.FromResult<IReadOnlyList<double?>>(scores.Of(completions)));
    }

    /// <summary>The rewards that a program computes, which is started once for all completions of a step: <c>RewardFunction.OfProgram("tests pass", "python3", "check.py")</c>.</summary>
    /// <remarks>
    /// For each completion the program reads a line of its standard input, a JSON object with <c>row</c> (index of the prompt in its batch), <c>prompt</c> and <c>completion</c> (texts; null without
    /// <see cref="RolloutOptions.Tokenizer"/>), <c>prompt_ids</c>, <c>completion_ids</c> and <c>truncated</c>. In the same order it writes a line with a finite number, or <c>null</c> where it does not
    /// apply, to its standard output. It must end with exit code 0. If the run is cancelled, it is killed.
    /// </remarks>
    /// <param name="name">Name in the metrics.</param>
    /// <param name="program">File name of the program, or its name in the search path.</param>
    /// <param name="arguments">Arguments of the program.</param>
    public static RewardFunction OfProgram(string name, string program, params IReadOnlyList<string> arguments)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentException.ThrowIfNullOrWhiteSpace(program);
        ArgumentNullException.ThrowIfNull(arguments);
        return new(name, new ProgramScores(program, [.. arguments]).Of);
    }

    private static double? Guarded(string name, Completion completion, int index, Func<Completion, double?> score)
    {
        try
        {
            return score(completion);
        }
        catch (Exception error) when (error is not OperationCanceledException)
        {
            throw new RewardException($"The reward function '{name}' failed for completion {index}, of prompt {completion.Row}: {error.Message} Return null where it does not apply.", error);
        }
    }

    /// <summary>Calls functions on the same completions concurrently.</summary>
    /// <exception cref="RewardException">A function failed, or its result is no reward.</exception>
    internal static double[][] Call(IReadOnlyList<RewardFunction> functions, IReadOnlyList<Completion> completions, CancellationToken cancellation)
    {
        var running = functions.Select(function => Begin(function, completions, cancellation)).ToArray();
        var columns = functions.Select((function, k) => Checked(function, running[k], completions)).ToArray();
        return [.. completions.Select((_, row) => columns.Select(column => column[row]).ToArray())];
    }

    private static Task<IReadOnlyList<double?>> Begin(RewardFunction function, IReadOnlyList<Completion> completions, CancellationToken cancellation)
    {
        try
        {
            return function.Score(completions, cancellation) ?? throw new InvalidOperationException("It returned no task.");
        }
        catch (Exception error) when (error is not RewardException)
        {
            return Task.FromException<IReadOnlyList<double?>>(error);
        }
    }

    private static double[] Checked(RewardFunction function, Task<IReadOnlyList<double?>> running, IReadOnlyList<Completion> completions)
    {
        IReadOnlyList<double?> rewards;
        try
        {
            rewards = running.GetAwaiter().GetResult();
        }
        catch (Exception error) when (error is not RewardException and not OperationCanceledException)
        {
            throw new RewardException($"The reward function '{function.Name}' failed for {completions.Count} completions: {error.Message}", error);
        }
        if (rewards?.Count != completions.Count) throw new RewardException($"The reward function '{function.Name}' returned {rewards?.Count.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "no"} rewards for {completions.Count} completions: return one for each.");
        for (var i = 0; i < rewards.Count; i++)
            if (rewards[i] is { } value && !double.IsFinite(value))
                throw new RewardException($"The reward function '{function.Name}' gave {value} to completion {i}, of prompt {completions[i].Row}: return a finite number, or null where it does not apply.");
        return [.. rewards.Select(reward => reward ?? double.NaN)];
    }
}
