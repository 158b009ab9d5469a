using static TorchSharp.torch;

namespace Peft.Adapters;

/// <summary>The first and the last positions of each row or packed sequence, among its real tokens.</summary>
/// <param name="First">The first positions, without those that are also among the last; null for none.</param>
/// <param name="Last">The last positions; null for none.</param>
internal readonly record struct ReftPositions(ChosenPositions? First, ChosenPositions? Last)
{
    /// <summary>The positions in hidden states <c>[rows, sequence, hidden]</c> of the pass that runs.</summary>
    /// <exception cref="PeftException">It cannot be known which positions these are.</exception>
    public static ReftPositions Of(Tensor hidden, ReftOptions options, Target target)
    {
        using var _ = no_grad();
        var (rows, length) = (hidden.size(0), hidden.size(1));
        var pass = ForwardPass.Current.Positions;
        if (pass?.PackedLengths is { } lengths) return Packed(lengths, length, options, target, hidden.device);
        var (past, unreal) = (pass?.Past ?? 0, pass?.VirtualTokens ?? 0);
        var own = past + length - unreal;   // tokens so far
        if (own < 0) throw Unknown(target, hidden, $"{past} earlier positions, {unreal} of them virtual tokens");
        Tensor? real = null;
        if (pass?.Real is { } mask)
        {
            if (mask.size(1) != past + length) throw Unknown(target, hidden, $"an attention mask [{string.Join(", ", mask.shape)}]");
            real = ForwardPass.SelectRows(mask).narrow(1, unreal, own);
            if (real.size(0) != rows) throw Unknown(target, hidden, $"an attention mask [{string.Join(", ", mask.shape)}]");
        }
        // The number of real tokens up to each position.
        var rank = real?.ne(Constant(0)).to_type(ScalarType.Int64).cumsum(1) ?? Numbers(1, own, hidden.device).expand(rows, -1);
        rank = rank.to(hidden.device).contiguous();
        var count = own == 0 ? zeros([rows, 1], ScalarType.Int64, device: hidden.device) : rank.narrow(1, own - 1, 1);

        var last = past > unreal ? 0 : Math.Min(options.SuffixPositions, own);
        if (options.SuffixPositions > 0 && past > unreal && length > 1)
            throw new PeftException($"{target.Path} changes the last {options.SuffixPositions} positions of a prompt, but this pass continues {past} cached positions by {length} more: pass the prompt in one pass, or set SuffixPositions to 0.");
        var first = options.PrefixPositions == 0 ? null : (ChosenPositions?)At(Numbers(1, Math.Min(options.PrefixPositions, own), hidden.device).expand(rows, -1), count.sub(Constant(last)));
        return new(first, last == 0 ? null : At(Numbers(1 - last, last, hidden.device).add(count, One), count));

        // The positions of the real tokens with these indices, up to the given one, if they are among the new positions.
        ChosenPositions At(Tensor number, Tensor upTo)
        {
            var index = searchsorted(rank, number.contiguous()).add(Constant(unreal - past), One);
            var exists = number.ge(Constant(1)).logical_and(number.le(upTo)).logical_and(index.ge(Constant(0))).logical_and(index.lt(Constant(length)));
            return new(index.clamp(Constant(0), Constant(length - 1)), exists);
        }
    }

    private static ReftPositions Packed(IReadOnlyList<int> lengths, long length, ReftOptions options, Target target, Device device)
    {
        if (lengths.Sum(each => (long)each) != length) throw new PeftException($"{target.Path} got {length} positions, but the packed sequences have {lengths.Sum(each => (long)each)}.");
        List<long> first = [], last = [];
        var start = 0L;
        foreach (var each in lengths)
        {
            var kept = Math.Max(0, each - options.SuffixPositions);
            for (var i = 0; i < Math.Min(options.PrefixPositions, kept); i++) first.Add(start + i);
            for (var i = kept; i < each && options.SuffixPositions > 0; i++) last.Add(start + i);
            start += each;
        }
        return new(Chosen(first), Chosen(last));

        ChosenPositions? Chosen(List<long> positions)
        {
            if (positions.Count == 0) return null;
            var index = tensor(positions.ToArray(), [1, positions.Count], device: device);
            return new(index, ones_like(index));
        }
    }

    private static Tensor Numbers(long first, long count, Device device) => arange(Constant(first), Constant(first + count), One, ScalarType.Int64, device);

    private static PeftException Unknown(Target target, Tensor hidden, string pass)
        => new($"{target.Path} got hidden states [{string.Join(", ", hidden.shape)}] in a forward pass with {pass}: they are not those of the text's positions. Leave the module out of TargetModules.");
}
