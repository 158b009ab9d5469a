using System.Collections;
using System.Globalization;

namespace Peft.Models;

/// <summary>
/// The classes of a task in the order of a model's outputs, with the problem type: <c>id2label</c> by index, <c>label2id</c> by <see cref="IdOf"/>.
/// Converts implicitly to <see cref="LoadOptions"/> for a model with these classes.
/// </summary>
public sealed class LabelSet : IReadOnlyList<string>
{
    private readonly string[] names;
    private readonly Dictionary<string, int> ids = new(StringComparer.Ordinal);

    /// <summary>Creates classes of a single-label problem.</summary>
    /// <param name="names">The names in order.</param>
    public LabelSet(params IEnumerable<string> names) : this(ProblemType.SingleLabel, names) { }

    /// <summary>Creates classes of a problem type.</summary>
    /// <param name="problem">One class per text, several, or a value for each name.</param>
    /// <param name="names">The names in order.</param>
    /// <exception cref="ArgumentException">There are no names, a name is empty, or two are equal.</exception>
    public LabelSet(ProblemType problem, IEnumerable<string> names)
    {
        ArgumentNullException.ThrowIfNull(names);
        if (!Enum.IsDefined(problem)) throw new ArgumentOutOfRangeException(nameof(problem), problem, "Unknown problem type.");
        this.names = [.. names];
        Problem = problem;
        if (this.names.Length == 0) throw new ArgumentException("There must be at least one label.", nameof(names));
        for (var id = 0; id < this.names.Length; id++)
        {
            if (string.IsNullOrEmpty(this.names[id])) throw new ArgumentException($"Label {id} has no name.", nameof(names));
            if (!ids.TryAdd(this.names[id], id)) throw new ArgumentException($"Duplicate label '{this.names[id]}'.", nameof(names));
        }
    }

    /// <summary>The problem type.</summary>
    public ProblemType Problem { get; }

    /// <inheritdoc/>
    public int Count => names.Length;

    /// <summary>The name of a class.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is out of range.</exception>
    public string this[int id] => id >= 0 && id < names.Length ? names[id] : throw new ArgumentOutOfRangeException(nameof(id), id, $"There are {names.Length} labels, numbered from 0.");

    /// <summary>The id of a class; -1 if the name is unknown.</summary>
    public int IdOf(string name) => ids.GetValueOrDefault(name, -1);

    /// <summary>The id of a class by its name, or else by its number; null if it is neither.</summary>
    internal int? Find(string label)
        => IdOf(label) is >= 0 and var id ? id : int.TryParse(label, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number < Count ? number : null;

    /// <summary>The different names, in the order in which a dataset numbers its classes: integers by value, otherwise alphabetically.</summary>
    internal static IReadOnlyList<string> InOrder(IEnumerable<string> names)
    {
        var found = names.Distinct(StringComparer.Ordinal).ToList();
        return [.. found.All(label => long.TryParse(label, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _))
            ? found.OrderBy(label => long.Parse(label, CultureInfo.InvariantCulture)) : found.Order(StringComparer.Ordinal)];
    }

    /// <inheritdoc/>
    public IEnumerator<string> GetEnumerator() => ((IEnumerable<string>)names).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>The reasons why these classes do not match a model; empty if they do.</summary>
    /// <param name="dataset">Name of the dataset with these classes.</param>
    /// <param name="model">The model.</param>
    internal IEnumerable<string> Errors(string dataset, ClassifyingModel model)
    {
        var modelLabels = model.Labels;
        var unnamed = ModelConfig.AreDefault(modelLabels.names);
        if (modelLabels.Count == Count && modelLabels.Problem == Problem && (unnamed || modelLabels.names.SequenceEqual(names))) yield break;
        yield return $"{dataset} is for {Problem} of {this}, but the model is for {modelLabels.Problem} of {modelLabels}: load the model with the dataset's Labels, or create the dataset with the model's.";
    }

    /// <summary>The names; the first 10 if there are more.</summary>
    public override string ToString() => string.Join(", ", names.Take(10)) + (names.Length > 10 ? $", … ({names.Length} in all)" : "");
}
