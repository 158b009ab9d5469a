namespace Peft.Tokenizers;

/// <summary>The stages of a tokenizer in the order of execution.</summary>
internal sealed record TokenizerPipeline(INormalizer? Normalizer, IPreTokenizer? PreTokenizer, ITokenModel Model, IPostProcessor? PostProcessor, IDecoder? Decoder, ResourceLimits Limits)
{
    /// <summary>The tokens of a single text, without special tokens.</summary>
    public List<TokenEntry> Tokenize(string text, int sequence, AddedVocabulary added)
    {
        text = Utf16.WellFormed(text);
        var pieces = added.Extract(text, new(Limits, text.Length));
        PreTokenizer?.PreTokenize(pieces);
        var positions = Utf16.CodePointPositions(text);
        var result = new List<TokenEntry>();
        for (var word = 0; word < pieces.Pieces.Count; word++)
        {
            var (piece, known) = pieces.Pieces[word];
            foreach (var token in known ?? Model.Tokenize(piece.Text))
            {
                var range = token.Start < token.End ? piece.OriginalRange(token.Start, token.End) : new(token.Start, token.End);
                if (positions is not null)
                    range = new(positions[range.Start], positions[range.End]);
                result.Add(new(token.Id, token.Value, range.Start, range.End, sequence, word, sequence, false));
            }
        }
        return result;
    }

    /// <summary>Decodes tokens to text.</summary>
    public string Decode(List<string> tokens)
        => Decoder is null ? string.Join(' ', tokens) : string.Concat(Decoder.Decode(tokens, new(Limits, tokens.Sum(token => (long)token.Length))));

    /// <summary>Truncates a single sequence or a pair to the maximum length, and adds the special tokens.</summary>
    public List<TokenEntry> Finish(List<List<TokenEntry>> sequences, EncodeOptions options, Side truncationSide)
    {
        if (options.MaxLength is { } length)
        {
            var added = options.AddSpecialTokens ? PostProcessor?.AddedTokens(sequences.Count == 2) ?? 0 : 0;
            if (added > length)
                throw new ArgumentException($"MaxLength is {length}, but the {added} special tokens alone exceed it.");
            Truncation.Cut(sequences, length - added, options.Truncation, truncationSide);
        }
        // A template may repeat a text many times, and a sequence of templates may multiply the repetitions.
        var budget = new TextBudget(Limits, sequences.Sum(sequence => sequence.Count));
        var parts = PostProcessor?.Process(sequences, options.AddSpecialTokens, budget) ?? sequences;
        var result = new List<TokenEntry>(parts.Sum(part => part.Count));
        parts.ForEach(result.AddRange);
        return result;
    }
}
