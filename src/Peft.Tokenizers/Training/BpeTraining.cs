using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json.Nodes;

namespace Peft.Tokenizers;

/// <summary>A run of byte-pair encoding training: the tokens so far, the words spelled in them, and the queue of pairs.</summary>
internal sealed class BpeTraining
{
    private readonly BpeTrainer options;
    private readonly List<string> tokens = [];
    private readonly Dictionary<string, int> ids = [];
    private readonly List<int> lengths = [];
    private readonly List<BpePair> merges = [];
    private readonly BpeTrainingWord[] words;
    private readonly Dictionary<BpePair, long> counts = [];
    private readonly Dictionary<BpePair, List<int>> changedPairs = [];
    private readonly PriorityQueue<(BpePair Pair, long Count, List<int> Words), (long Count, BpePair Pair)> queue = new(Comparer<(long Count, BpePair Pair)>.Create(Earlier));

    public BpeTraining(BpeTrainer options, IReadOnlyList<WordCount> words)
    {
        this.options = options;
        foreach (var token in options.SpecialTokens) Add(token);
        var alphabet = Alphabet(words);
        foreach (var character in alphabet.Order()) Add(char.ConvertFromUtf32(character));
        AddAffixed(words, alphabet);
        this.words = [.. words.Select(word => new BpeTrainingWord([.. Spelling(word.Word, alphabet).Select(each => ids[each])], word.Count))];
    }

    /// <summary>Number of tokens so far.</summary>
    public int Count => tokens.Count;

    /// <summary>Merges the most frequent pairs until the vocabulary is complete or no pair is frequent enough.</summary>
    public void Merge(CancellationToken cancellationToken)
    {
        for (var i = 0; i < words.Length; i++)
        {
            foreach (var pair in words[i].Pairs()) Change(pair, words[i].Count, i);
        }
        Enqueue();
        while (tokens.Count < options.VocabularySize && queue.TryDequeue(out var top, out _))
        {
            cancellationToken.ThrowIfCancellationRequested();
            // The count of the pair may have changed since it was queued.
            if (counts[top.Pair] is var now && now != top.Count)
            {
                queue.Enqueue(top with { Count = now }, (now, top.Pair));
                continue;
            }
            if (top.Count < Math.Max(1, options.MinFrequency)) break;
            Merge(top.Pair, top.Words);
            Enqueue();
        }
    }

    /// <summary>The tokens with their ids.</summary>
    public JsonObject Vocabulary() => new(tokens.Select((token, id) => KeyValuePair.Create<string, JsonNode?>(token, id)));

    /// <summary>The merged pairs in the order in which an encoder applies them.</summary>
    /// <remarks>
    /// Two merges can create the same token, as (a, bc) and (ab, c) do. Words in which the pairs of that token arise later have a separate queue entry, so a pair can be
    /// merged twice. Hugging Face's tokenizers then keep the later rank, and so does this list.
    /// </remarks>
    public IEnumerable<(string Left, string Right)> Merges()
    {
        var last = merges.Select((pair, rank) => (pair, rank)).GroupBy(each => each.pair).Select(group => group.Last()).OrderBy(each => each.rank);
        return last.Select(each => (tokens[each.pair.Left], tokens[each.pair.Right]));
    }

    private void Merge(BpePair pair, List<int> inWords)
    {
        var right = tokens[pair.Right];
        var prefix = options.ContinuingSubwordPrefix;
        var merged = Add(tokens[pair.Left] + (prefix.Length > 0 && right.StartsWith(prefix, StringComparison.Ordinal) ? right[prefix.Length..] : right));
        lengths[merged] = lengths[pair.Left] + lengths[pair.Right];
        merges.Add(pair);
        var maxLength = options.MaxTokenLength ?? int.MaxValue;
        foreach (var i in inWords)
        {
            words[i].Merge(pair, merged, (changed, sign) =>
            {
                if (sign < 0 || (long)lengths[changed.Left] + lengths[changed.Right] < maxLength) Change(changed, sign * words[i].Count, i);
            });
        }
    }

    private void Change(BpePair pair, long count, int word)
    {
        CollectionsMarshal.GetValueRefOrAddDefault(counts, pair, out _) += count;
        if (count < 0) return;
        var found = CollectionsMarshal.GetValueRefOrAddDefault(changedPairs, pair, out _) ??= [];
        if (found.Count == 0 || found[^1] != word) found.Add(word);
    }

    private void Enqueue()
    {
        foreach (var (pair, found) in changedPairs)
        {
            if (counts[pair] is > 0 and var count) queue.Enqueue((pair, count, found), (count, pair));
        }
        changedPairs.Clear();
    }

    // The more frequent pair first; of equally frequent pairs, the one with lower ids.
    private static int Earlier((long Count, BpePair Pair) first, (long Count, BpePair Pair) second)
        => first.Count != second.Count ? second.Count.CompareTo(first.Count) : first.Pair.CompareTo(second.Pair);

    private int Add(string token)
    {
        if (ids.TryGetValue(token, out var known)) return known;
        tokens.Add(token);
        lengths.Add(1);
        return ids[token] = tokens.Count - 1;
    }

    private HashSet<int> Alphabet(IReadOnlyList<WordCount> words)
    {
        var frequencies = new Dictionary<int, long>();
        foreach (var (word, count) in words)
        {
            foreach (var character in word.EnumerateRunes()) CollectionsMarshal.GetValueRefOrAddDefault(frequencies, character.Value, out _) += count;
        }
        foreach (var character in options.Alphabet()) frequencies[character] = long.MaxValue;
        return [.. frequencies.OrderByDescending(each => each.Value).ThenBy(each => each.Key).Take(options.LimitAlphabet ?? int.MaxValue).Select(each => each.Key)];
    }

    private void AddAffixed(IReadOnlyList<WordCount> words, HashSet<int> alphabet)
    {
        if (options.ContinuingSubwordPrefix.Length + options.EndOfWordSuffix.Length == 0) return;
        var found = words.SelectMany(word => Spelling(word.Word, alphabet)).Where(each => !ids.ContainsKey(each)).ToHashSet();
        foreach (var token in found.Order(StringComparer.Ordinal)) Add(token);
    }

    // Characters outside the alphabet are omitted, including their affixes.
    private IEnumerable<string> Spelling(string word, HashSet<int> alphabet)
    {
        for (var i = 0; i < word.Length;)
        {
            var length = char.IsHighSurrogate(word[i]) ? 2 : 1;
            var (first, last) = (i == 0, i + length == word.Length);
            var character = word.Substring(i, length);
            i += length;
            if (!alphabet.Contains(char.ConvertToUtf32(character, 0)) && !ids.ContainsKey(character)) continue;
            yield return string.Concat(first ? "" : options.ContinuingSubwordPrefix, character, last ? options.EndOfWordSuffix : "");
        }
    }
}
