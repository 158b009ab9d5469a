using System.Collections.Concurrent;

namespace Peft.Tokenizers;

/// <summary>
/// Byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909) with the settings of <c>tokenizer.json</c>.
/// The implementation in Microsoft.ML.Tokenizers 2.0.1 returns GPT-2's ids, but its merges cannot contain a token with a space, it supports neither byte fallback
/// (Llama 2) nor <c>ignore_merges</c> (Llama 3), and its offsets count UTF-16 code units.
/// </summary>
internal sealed class BpeModel : ITokenModel
{
    // Enough for the common words of a language. Later words are not cached, so that memory is bounded.
    private const int CacheCapacity = 32768;
    private const int CachedLength = 64;

    private readonly BpeMerges merges;
    private readonly BpeOptions options;
    private readonly int? unknownId;
    private readonly int?[] byteIds;
    private readonly bool affixes;
    private readonly ConcurrentDictionary<string, TextToken[]> cache = new();
    private readonly ConcurrentDictionary<string, TextToken[]>.AlternateLookup<ReadOnlySpan<char>> cacheBySpan;
    private int cached;

    public BpeModel(Vocabulary vocabulary, IReadOnlyList<(string Left, string Right)> pairs, BpeOptions options)
    {
        Vocabulary = vocabulary;
        this.options = options;
        merges = new(pairs, vocabulary, options.ContinuingSubwordPrefix);
        unknownId = options.UnknownToken is { } unknown ? vocabulary.IdOf(unknown) : null;
        byteIds = options.ByteFallback ? vocabulary.ByteIds() : new int?[256];
        affixes = options.ContinuingSubwordPrefix.Length + options.EndOfWordSuffix.Length > 0;
        cacheBySpan = cache.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    public Vocabulary Vocabulary { get; }

    public IReadOnlyList<TextToken> Tokenize(string text)
    {
        if (options.IgnoreMerges && Vocabulary.TryGetId(text, out var whole))
            return [new(whole, text, 0, text.Length)];
        if (text.Length <= CachedLength && cacheBySpan.TryGetValue(text, out var known))
            return known;
        var result = new List<TextToken>();
        var start = 0;
        foreach (var end in Cuts(text))
        {
            foreach (var token in Merged(text.AsSpan(start, end - start)))
                result.Add(token with { Start = token.Start + start, End = token.End + start });
            start = end;
        }
        return result;
    }

    // Positions where the text can be split because no merge crosses them. This requires a token for every character, which is the common case.
    private List<int> Cuts(string text)
    {
        var cuts = new List<int>();
        for (var i = 0; i < text.Length && !affixes;)
        {
            var length = char.IsHighSurrogate(text[i]) ? 2 : 1;
            var character = text.AsSpan(i, length);
            if (!Vocabulary.TryGetId(character, out _) && !HasBytes(character))
                return [text.Length];
            if (i > 0 && !merges.CanJoin(text[i - 1], text[i]))
                cuts.Add(i);
            i += length;
        }
        cuts.Add(text.Length);
        return cuts;
    }

    private bool HasBytes(ReadOnlySpan<char> characters)
    {
        if (!options.ByteFallback)
            return false;
        foreach (var value in System.Text.Encoding.UTF8.GetBytes(characters.ToArray()))
        {
            if (byteIds[value] is null)
                return false;
        }
        return true;
    }

    private TextToken[] Merged(ReadOnlySpan<char> text)
    {
        if (text.Length <= CachedLength && cacheBySpan.TryGetValue(text, out var known))
            return known;
        var word = Initial(text);
        word.Merge(merges);
        var result = Locate(word, text);
        if (text.Length <= CachedLength && Volatile.Read(ref cached) < CacheCapacity && cache.TryAdd(text.ToString(), result))
            Interlocked.Increment(ref cached);
        return result;
    }

    private BpeWord Initial(ReadOnlySpan<char> text)
    {
        var word = new BpeWord();
        var pending = 0;
        for (var i = 0; i < text.Length;)
        {
            var length = char.IsHighSurrogate(text[i]) ? 2 : 1;
            var character = text.Slice(i, length);
            var count = System.Text.Encoding.UTF8.GetByteCount(character);
            var token = affixes ? Affixed(character, i == 0, i + length == text.Length) : character;
            i += length;
            if (Vocabulary.TryGetId(token, out var id))
            {
                Flush(ref pending);
                word.Add(id, count);
            }
            else if (HasBytes(token))
            {
                // As in the reference implementation, a preceding unknown character stays pending.
                foreach (var value in System.Text.Encoding.UTF8.GetBytes(token.ToArray()))
                    word.Add(byteIds[value]!.Value, 1);
            }
            else if (options.UnknownToken is not null)
            {
                if (!options.FuseUnknown)
                    Flush(ref pending);
                pending += count;
            }
        }
        Flush(ref pending);
        return word;

        void Flush(ref int length)
        {
            if (length > 0)
                word.Add(unknownId ?? throw new TokenizerException($"The text requires the unknown token \"{options.UnknownToken}\", which the vocabulary lacks."), length);
            length = 0;
        }
    }

    private string Affixed(ReadOnlySpan<char> character, bool first, bool last)
        => string.Concat(first ? "" : options.ContinuingSubwordPrefix, character, last ? options.EndOfWordSuffix : "");

    // As in the reference implementation, offsets accumulate the bytes of the tokens, so a dropped character shifts later offsets.
    private TextToken[] Locate(BpeWord word, ReadOnlySpan<char> text)
    {
        var positions = new Utf8Positions(text);
        var result = new List<TextToken>(word.Count);
        var start = 0;
        foreach (var (id, bytes) in word.Tokens)
        {
            Vocabulary.TryGetToken(id, out var value);
            result.Add(new(id, value!, positions.StartOf(start), positions.EndOf(start + bytes)));
            start += bytes;
        }
        return [.. result];
    }
}
