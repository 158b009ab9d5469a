using System.Text;

namespace Peft.Tokenizers;

/// <summary>SentencePiece's decoder: replaces metaspace characters by spaces, drops the first one, and decodes runs of byte tokens. Each byte that is not valid UTF-8 becomes U+FFFD.</summary>
internal sealed class SentencePieceDecoder(SentencePieceProto proto) : IDecoder
{
    private readonly Dictionary<string, PieceKind> special = proto.Pieces.Where(piece => piece.Kind is PieceKind.Byte or PieceKind.Unknown).ToDictionary(piece => piece.Text, piece => piece.Kind);

    public List<string> Decode(List<string> tokens, TextBudget budget)
    {
        var result = new List<string>(tokens.Count);
        var bytes = new List<byte>();
        var (empty, spaceSeen) = (true, false);
        foreach (var token in tokens)
        {
            var kind = special.GetValueOrDefault(token, PieceKind.Normal);
            if (kind == PieceKind.Byte && ByteFallbackDecoder.TryGetByte(token, out var value))
            {
                bytes.Add(value);
                continue;
            }
            Flush();
            var atStart = empty && !spaceSeen;
            spaceSeen = false;
            var text = token;
            if (atStart && kind == PieceKind.Normal && (proto.AddDummyPrefix || proto.RemoveExtraSpaces) && token.StartsWith(SentencePieceProto.Space))
            {
                text = token[1..];
                spaceSeen = !proto.RemoveExtraSpaces;
            }
            if (kind == PieceKind.Unknown)
                budget.Charge(proto.UnknownSurface.Length);
            Add(kind == PieceKind.Unknown ? proto.UnknownSurface : text.Replace(SentencePieceProto.Space, ' '));
        }
        Flush();
        return result;

        void Add(string text)
        {
            result.Add(text);
            empty &= text.Length == 0;
        }

        void Flush()
        {
            ReadOnlySpan<byte> rest = bytes.ToArray();
            bytes.Clear();
            while (!rest.IsEmpty)
            {
                var valid = Rune.DecodeFromUtf8(rest, out var rune, out var length) == System.Buffers.OperationStatus.Done;
                Add(valid ? rune.ToString() : "\uFFFD");
                rest = rest[(valid ? length : 1)..];
            }
        }
    }
}
