using System.Text;
using Peft.Tokenizers;

namespace Peft;

/// <summary>Trains a <see cref="Tokenizer"/> on texts. The result is the same for the same texts and settings.</summary>
public abstract record TokenizerTrainer
{
    private protected TokenizerTrainer() { }

    /// <summary>Number of tokens, special ones included. Texts with few distinct words produce fewer. 30,000 by default.</summary>
    public int VocabularySize { get; init; } = 30_000;

    /// <summary>Special tokens, which get the first ids, in this order.</summary>
    public IReadOnlyList<string> SpecialTokens { get; init => field = value ?? throw new ArgumentNullException(nameof(value)); } = [];

    /// <summary>The roles of special tokens. Each must be one of <see cref="SpecialTokens"/>.</summary>
    public SpecialTokenRoles Roles { get; init => field = value ?? throw new ArgumentNullException(nameof(value)); } = new();

    /// <summary>The components around the model.</summary>
    public TokenizerParts Parts { get; init => field = value ?? throw new ArgumentNullException(nameof(value)); } = new();

    /// <summary>Characters that are in the vocabulary even if the texts lack them, in addition to those of <see cref="TokenizerParts.Alphabet"/>.</summary>
    public string InitialAlphabet { get; init => field = value ?? throw new ArgumentNullException(nameof(value)); } = "";

    /// <summary>Maximum input length of the model in tokens (<see cref="Tokenizer.MaxLength"/>); null for no limit.</summary>
    public int? MaxLength { get; init; }

    /// <summary>Limits of the tokenizer; null for <see cref="ResourceLimits.Default"/>.</summary>
    public ResourceLimits? Limits { get; init; }

    /// <summary>Trains a tokenizer.</summary>
    /// <param name="texts">The texts, read once. Tokens do not cross text boundaries. Memory is needed only for distinct words.</param>
    /// <param name="cancellationToken">Cancels the training.</param>
    /// <exception cref="TokenizerException">The texts are empty, or the settings cannot be fulfilled.</exception>
    /// <exception cref="OperationCanceledException">The training was cancelled.</exception>
    public Tokenizer Train(IEnumerable<string> texts, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(texts);
        Validate();
        var description = new TrainedDescription(Parts, SpecialTokens, Roles, MaxLength, Limits ?? ResourceLimits.Default);
        var words = description.CountWords(texts, cancellationToken);
        if (words.Count == 0) throw new TokenizerException("There is nothing to train on: the texts have no words.");
        return Tokenizer.FromTraining(description.With(TrainModel(words, cancellationToken)), description.Limits);
    }

    /// <summary>Trains a tokenizer on UTF-8 text files. Each line is a text, with its line break.</summary>
    /// <param name="files">The files.</param>
    /// <param name="cancellationToken">Cancels the training.</param>
    /// <exception cref="TokenizerException">A file cannot be read or is not UTF-8, the texts are empty, or the settings cannot be fulfilled.</exception>
    /// <exception cref="OperationCanceledException">The training was cancelled.</exception>
    public Tokenizer TrainFromFiles(IEnumerable<string> files, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(files);
        return Train(files.SelectMany(TextLines.Read), cancellationToken);
    }

    /// <summary>The <c>model</c> of the trained tokenizer.</summary>
    /// <param name="words">The distinct words and their frequencies.</param>
    /// <param name="cancellationToken">Cancels the training.</param>
    private protected abstract System.Text.Json.Nodes.JsonObject TrainModel(IReadOnlyList<WordCount> words, CancellationToken cancellationToken);

    /// <summary>The code points of the initial alphabet.</summary>
    internal HashSet<int> Alphabet() => [.. (InitialAlphabet + Parts.Alphabet).EnumerateRunes().Select(rune => rune.Value)];

    private protected virtual void Validate()
    {
        if (VocabularySize < 1) throw new TokenizerException($"{nameof(VocabularySize)} is {VocabularySize}, but must be at least 1.");
        if (MaxLength < 1) throw new TokenizerException($"{nameof(MaxLength)} is {MaxLength}, but must be at least 1.");
        if (SpecialTokens.Any(string.IsNullOrEmpty)) throw new TokenizerException($"{nameof(SpecialTokens)} has an empty token.");
        if (SpecialTokens.GroupBy(token => token, StringComparer.Ordinal).FirstOrDefault(group => group.Count() > 1) is { Key: var twice })
            throw new TokenizerException($"{nameof(SpecialTokens)} has \"{twice}\" twice.");
        foreach (var (role, token) in Roles.Named().Where(each => !SpecialTokens.Contains(each.Token)))
            throw new TokenizerException($"{nameof(Roles)} has \"{token}\" as {role}, which is not in {nameof(SpecialTokens)}: add it there, or change the role.");
        if (SpecialTokens.Concat([InitialAlphabet, Parts.Alphabet]).FirstOrDefault(text => Utf16.WellFormed(text) != text) is { } half)
            throw new TokenizerException($"\"{half}\" contains an unpaired surrogate, which UTF-8 cannot encode.");
    }

    /// <summary>The exception for a vocabulary size below the required number of tokens.</summary>
    private protected TokenizerException TooSmall(int needed) => new($"{nameof(VocabularySize)} is {VocabularySize}, but {SpecialTokens.Count} special tokens and the single characters already require {needed}. "
        + $"Raise it to more than {needed}{(this is BpeTrainer or WordPieceTrainer ? ", or set LimitAlphabet" : "")}.");
}
