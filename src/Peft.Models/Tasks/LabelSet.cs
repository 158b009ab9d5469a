using System.Collections;

namespace Peft.Models;

/// <summary>What a classification head learns (<c>problem_type</c> of <c>config.json</c>).</summary>
public enum ProblemType
{
    /// <summary>One class for each text.</summary>
    SingleLabel,

    /// <summary>Any number of classes for each text.</summary>
    MultiLabel,

    /// <summary>A number for each text.</summary>
    Regression,
}

internal static class ProblemTypes
{
    public static string ToField(this ProblemType problem) => problem switch
    {
        ProblemType.SingleLabel => "single_label_classification",
        ProblemType.MultiLabel => "multi_label_classification",
        ProblemType.Regression => "regression",
        _ => throw new ArgumentOutOfRangeException(nameof(problem), problem, "That is none of the types of problems."),
    };

    /// <summary>The type that a configuration names, or that follows from the number of classes; also for names that are not known, which the loss refuses.</summary>
    public static ProblemType Of(string? field, int classes) => field switch
    {
        "multi_label_classification" => ProblemType.MultiLabel,
        "regression" => ProblemType.Regression,
        null when classes == 1 => ProblemType.Regression,
        _ => ProblemType.SingleLabel,
    };
}

/// <summary>
/// The classes of a task in the order of a model's outputs: <c>id2label</c> by index, <c>label2id</c> by <see cref="IdOf"/>, and what is learned about them.
/// Where <see cref="LoadOptions"/> are asked for, it stands for options with these classes.
/// </summary>
public sealed class LabelSet : IReadOnlyList<string>
{
    private readonly string[] names;
    private readonly Dictionary<string, int> ids = new(StringComparer.Ordinal);

    /// <summary>Classes, each learned for itself against all others.</summary>
    /// <param name="names">Their names in order.</param>
    public LabelSet(params IEnumerable<string> names) : this(ProblemType.SingleLabel, names) { }

    /// <summary>Classes and what is learned about them.</summary>
    /// <param name="problem">One class for each text, several, or a number for each name.</param>
    /// <param name="names">Their names in order.</param>
    /// <exception cref="ArgumentException">There is no name, one is empty, or two are the same.</exception>
    public LabelSet(ProblemType problem, IEnumerable<string> names)
    {
        ArgumentNullException.ThrowIfNull(names);
        if (!Enum.IsDefined(problem)) throw new ArgumentOutOfRangeException(nameof(problem), problem, "That is none of the types of problems.");
        this.names = [.. names];
        Problem = problem;
        if (this.names.Length == 0) throw new ArgumentException("There must be at least one label.", nameof(names));
        for (var id = 0; id < this.names.Length; id++)
        {
            if (string.IsNullOrEmpty(this.names[id])) throw new ArgumentException($"Label {id} has no name.", nameof(names));
            if (!ids.TryAdd(this.names[id], id)) throw new ArgumentException($"The label '{this.names[id]}' is named twice.", nameof(names));
        }
    }

    /// <summary>What is learned about the classes.</summary>
    public ProblemType Problem { get; }

    /// <inheritdoc/>
    public int Count => names.Length;

    /// <summary>The name of a class.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is none of that number.</exception>
    public string this[int id] => id >= 0 && id < names.Length ? names[id] : throw new ArgumentOutOfRangeException(nameof(id), id, $"There are {names.Length} labels, numbered from 0.");

    /// <summary>The number of a class; -1 if there is none of that name.</summary>
    public int IdOf(string name) => ids.GetValueOrDefault(name, -1);

    /// <inheritdoc/>
    public IEnumerator<string> GetEnumerator() => ((IEnumerable<string>)names).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>Why a model cannot learn these classes; empty if it can.</summary>
    /// <param name="dataset">Name of the dataset that they are of.</param>
    /// <param name="model">The model.</param>
    internal IEnumerable<string> Errors(string dataset, ClassifyingModel model)
    {
        var own = model.Labels;
        var unnamed = ModelConfig.AreDefault(own.names);
        if (own.Count == Count && own.Problem == Problem && (unnamed || own.names.SequenceEqual(names))) yield break;
        yield return $"{dataset} is for {Problem} of {this}, but the model for {own.Problem} of {own}: load it with the dataset's Labels, or give the dataset the model's.";
    }

    /// <summary>The names, of many only the first.</summary>
    public override string ToString() => string.Join(", ", names.Take(10)) + (names.Length > 10 ? $", … ({names.Length} in all)" : "");
}
