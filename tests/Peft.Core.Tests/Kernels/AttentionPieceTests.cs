using Peft.Kernels;

namespace Peft.Core.Tests.Kernels;

/// <summary>How sequences are divided for threads and caches.</summary>
public class AttentionPieceTests
{
    [Theory]
    [InlineData(1, null, true), InlineData(2, null, true), InlineData(16, null, true), InlineData(3, null, false), InlineData(1, 256, true), InlineData(7, 30, true), InlineData(2, 5000, true)]
    public void Each_query_is_in_one_piece_with_all_its_keys(int threads, int? window, bool causal)
    {
        var shape = new AttentionShape(6, 3, 64, 64, 1, window, causal);
        AttentionSpan[] spans = [new(0, 1000, 1000, false), new(1000, 3, 3, false), new(1003, 1700, 1700, false, 0, 1000), new(1703, 2000, window is null ? 1300 : 2000, false)];
        var pieces = AttentionPiece.Of(spans, shape, threads);
        foreach (var span in spans)
        {
            var own = pieces.Where(each => each.Span == span).ToList();
            own[0].First.ShouldBe(span.PrefixLength);
            own[^1].End.ShouldBe(span.Length);
            foreach (var (one, next) in own.Zip(own.Skip(1))) one.End.ShouldBe(next.First);
            foreach (var piece in own)
            {
                var last = piece.End - 1;
                piece.Low.ShouldBeLessThanOrEqualTo(window is { } width ? Math.Max(0, piece.First - width + 1) : 0);
                piece.High.ShouldBeGreaterThanOrEqualTo(causal ? Math.Min(last + 1, span.Keys) : span.Keys);
                piece.High.ShouldBeLessThanOrEqualTo(span.Keys);
                piece.Shared.ShouldBe(Math.Max(piece.High, piece.End) - piece.Low - (piece.End - piece.First));
            }
        }
    }

    [Theory, InlineData(1, 1, 1), InlineData(1, 12, 1), InlineData(2, 8, 1), InlineData(2, 3, 2), InlineData(2, 1, 6), InlineData(16, 8, 6)]
    public void Threads_get_equal_work(int threads, int heads, int expected)
    {
        var pieces = AttentionPiece.Of([new AttentionSpan(0, 4096, 4096, false)], new AttentionShape(heads, heads, 64, 64, 1, null), threads);
        pieces.Count.ShouldBe(expected);
        // Pairs of query and key: triangles and rectangles below the diagonal.
        var works = pieces.Select(each => (each.End - each.First) * (each.First + each.End) / 2.0).ToList();
        works.Max().ShouldBeLessThan(1.15 * works.Average());
    }

    [Fact]
    public void Keys_of_a_window_stay_in_the_cache()
        => AttentionPiece.Of([new AttentionSpan(0, 100_000, 100_000, false)], new AttentionShape(8, 8, 64, 64, 1, 256), 1).ShouldAllBe(each => each.Top - each.Low < 900);
}
