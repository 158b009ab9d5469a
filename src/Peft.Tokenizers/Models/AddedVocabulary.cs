namespace Peft.Tokenizers;

/// <summary>The tokens added to a model's vocabulary. Immutable.</summary>
internal sealed class AddedVocabulary
{
    private readonly Dictionary<string, int> ids = [];
    private readonly SortedDictionary<int, AddedToken> tokens = [];
    private readonly HashSet<string> special = [];
    private readonly AddedTokenFinder asGiven;
    private readonly AddedTokenFinder normalized;
    private readonly ITokenModel model;
    private readonly INormalizer? normalizer;
    private readonly ResourceLimits limits;

    public AddedVocabulary(ITokenModel model, INormalizer? normalizer, ResourceLimits limits) : this(model, normalizer, limits, []) { }

    private AddedVocabulary(ITokenModel model, INormalizer? normalizer, ResourceLimits limits, IEnumerable<(int Id, AddedToken Token)> entries)
    {
        this.model = model;
        this.normalizer = normalizer;
        this.limits = limits;
        foreach (var (id, token) in entries)
        {
            ids[token.Content] = id;
            tokens[id] = token;
            if (token.Special)
                special.Add(token.Content);
        }
        asGiven = new(tokens.Where(entry => !entry.Value.Normalized).Select(entry => (entry.Value.Content, entry.Key, entry.Value)));
        normalized = new(tokens.Where(entry => entry.Value.Normalized).Select(entry => (NormalForm(entry.Value.Content), entry.Key, entry.Value)));
    }

    /// <summary>Number of tokens that are not in the model's vocabulary.</summary>
    public int NewTokens => ids.Keys.Count(token => model.Vocabulary.IdOf(token) is null);

    /// <summary>All added tokens, ordered by id.</summary>
    public IEnumerable<(int Id, AddedToken Token)> Entries => tokens.Select(entry => (entry.Key, entry.Value));

    /// <summary>The vocabulary with additional tokens. A token gets its id in the model's vocabulary, or else the next free one.</summary>
    public AddedVocabulary With(IEnumerable<AddedToken> more)
    {
        var entries = tokens.Select(entry => (entry.Key, entry.Value)).ToList();
        var known = new Dictionary<string, int>(ids);
        var next = Math.Max(model.Vocabulary.Count, tokens.Count > 0 ? tokens.Keys.Max() + 1 : 0);
        foreach (var token in more.Where(token => token.Content.Length > 0))
        {
            if (token.Content.Length > limits.MaxTokenLength || entries.Count >= limits.MaxTokens)
                throw TokenizerReading.TooMuch(limits, "The added tokens", entries.Count >= limits.MaxTokens ? nameof(ResourceLimits.MaxTokens) : nameof(ResourceLimits.MaxTokenLength));
            if (!known.TryGetValue(token.Content, out var id))
                id = known[token.Content] = model.Vocabulary.IdOf(token.Content) ?? next++;
            entries.Add((id, token));
        }
        return new(model, normalizer, limits, entries);
    }

    public bool Contains(string token) => ids.ContainsKey(token);

    public bool IsSpecial(string token) => special.Contains(token);

    public int? IdOf(string token) => ids.TryGetValue(token, out var id) ? id : null;

    public string? TokenOf(int id) => tokens.TryGetValue(id, out var token) ? token.Content : null;

    /// <summary>Splits text at the added tokens and normalizes the text between them.</summary>
    public PreTokenizedText Extract(string text, TextBudget budget)
    {
        var result = new PreTokenizedText(text, budget);
        result.Split(asGiven.Split);
        result.Split(piece =>
        {
            normalizer?.Normalize(piece);
            return normalized.Split(piece);
        });
        return result;
    }

    private string NormalForm(string content)
    {
        var text = new NormalizedText(content, new(limits, content.Length));
        normalizer?.Normalize(text);
        return text.Text;
    }
}
