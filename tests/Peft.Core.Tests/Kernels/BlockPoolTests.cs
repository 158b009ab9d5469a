using Peft.Kernels;

namespace Peft.Core.Tests.Kernels;

public class BlockPoolTests
{
    private const nint Megabyte = 1 << 20;

    [Fact]
    public void A_block_goes_into_a_free_one_of_its_size()
    {
        var pool = new BlockPool();
        nint[] blocks = [.. Enumerable.Range(0, 8).Select(_ => pool.Take(Megabyte))];
        foreach (var block in blocks) (block % 64).ShouldBe(0);
        blocks.Distinct().Count().ShouldBe(8);
        pool.Give(blocks[2]);
        pool.Give(blocks[5]);
        pool.Give(blocks[6]);
        pool.Take(Megabyte).ShouldBe(blocks[2]);               // the smallest range with room, not the larger one
        pool.Take(2 * Megabyte).ShouldBe(blocks[5]);           // adjacent blocks are one range
        pool.Take(Megabyte).ShouldBeGreaterThan(blocks[7]);
        pool.Reserved.ShouldBe(64 * Megabyte);
    }

    [Fact]
    public void Free_segments_are_returned_unless_they_are_held()
    {
        var pool = new BlockPool();
        nint[] Take() => [.. Enumerable.Range(0, 5).Select(_ => pool.Take(60 * Megabyte))];
        void Give(nint[] blocks) => Array.ForEach(blocks, pool.Give);

        Give(Take());
        pool.Reserved.ShouldBe(128 * Megabyte);
        using (var held = pool.Hold())
        {
            using (pool.Hold()) Give(Take());
            pool.Reserved.ShouldBe(320 * Megabyte);
            held.Dispose();
            held.Dispose();
        }
        pool.Reserved.ShouldBe(128 * Megabyte);
        var used = pool.Take(Megabyte);
        pool.Trim();
        pool.Reserved.ShouldBe(64 * Megabyte);
        pool.Give(used);
        pool.Trim();
        pool.Reserved.ShouldBe(0);
    }

    [Fact]
    public void A_block_that_no_free_segment_has_room_for_replaces_them()
    {
        var pool = new BlockPool();
        using var held = pool.Hold();
        for (var size = 10; size <= 300; size += 29) pool.Give(pool.Take(size * Megabyte));
        pool.Reserved.ShouldBeLessThanOrEqualTo(302 * Megabyte);
    }

    [Fact]
    public unsafe void Blocks_of_several_threads_never_overlap()
    {
        var pool = new BlockPool();
        Parallel.For(0, 4, thread =>
        {
            var random = new Random(thread);
            var used = new List<(nint At, int Length, byte Value)>();
            for (var i = 0; i < 4000; i++)
            {
                if (used.Count < 40 && random.Next(5) < 3)
                {
                    var (length, value) = (random.Next(1, 1 << random.Next(4, 19)), (byte)random.Next());
                    var at = pool.Take(length);
                    new Span<byte>((void*)at, length).Fill(value);
                    used.Add((at, length, value));
                }
                else if (used.Count > 0)
                {
                    var index = random.Next(used.Count);
                    var (at, length, value) = used[index];
                    new ReadOnlySpan<byte>((void*)at, length).ContainsAnyExcept(value).ShouldBeFalse();
                    pool.Give(at);
                    used.RemoveAt(index);
                }
                if (i % 500 == 0) pool.Trim();   // which leaves what is used
            }
            foreach (var (at, length, value) in used)
            {
                new ReadOnlySpan<byte>((void*)at, length).ContainsAnyExcept(value).ShouldBeFalse();
                pool.Give(at);
            }
        });
        pool.Trim();
        pool.Reserved.ShouldBe(0);   // all ranges have become one again
    }
}
