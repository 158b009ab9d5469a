using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Models.Tests;

/// <summary>What a cache remembers of positions for adapters.</summary>
public sealed class PositionMemoryTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly PositionMemory memory = new();
    private readonly object key = new();

    public void Dispose()
    {
        memory.Dispose();
        scope.Dispose();
    }

    private float[] Append(float[,] values, int at, params long[] rows)
    {
        using var all = memory.Append(key, tensor(values).unsqueeze(-1), rows.Length == 0 ? null : tensor(rows), batch: 2, at);
        return all.view(-1).data<float>().ToArray();
    }

    [Fact]
    public void Positions_are_added_dropped_copied_and_exchanged_as_the_cache_does_with_its_own()
    {
        Append(new float[,] { { 1, 2 }, { 3, 4 } }, 0).ShouldBe([1, 2, 3, 4]);
        Append(new float[,] { { 5 }, { 6 } }, 2).ShouldBe([1, 2, 5, 3, 4, 6]);
        memory.Drop(1);
        Append(new float[,] { { 7 }, { 8 } }, 2).ShouldBe([1, 2, 7, 3, 4, 8]);
        memory.Reorder(tensor(new long[] { 1, 1 }));
        Append(new float[,] { { 9 }, { 0 } }, 3).ShouldBe([3, 4, 8, 9, 3, 4, 8, 0]);
        memory.Repeat(2);
        Append(new float[,] { { 1 }, { 1 }, { 1 }, { 1 } }, 4).ShouldBe([3, 4, 8, 9, 1, 3, 4, 8, 9, 1, 3, 4, 8, 0, 1, 3, 4, 8, 0, 1]);
        memory.Drop(9);
        Append(new float[,] { { 1 }, { 2 } }, 0).ShouldBe([1, 2]);
    }

    [Fact]
    public void Parts_of_a_batch_add_to_the_same_positions_one_after_another()
    {
        Append(new float[,] { { 1, 2 } }, 0, 1).ShouldBe([1, 2]);
        Append(new float[,] { { 3, 4 } }, 0, 0).ShouldBe([3, 4]);
        Append(new float[,] { { 5 } }, 2, 1).ShouldBe([1, 2, 5]);
        Append(new float[,] { { 6 } }, 2, 0).ShouldBe([3, 4, 6]);
    }
}
