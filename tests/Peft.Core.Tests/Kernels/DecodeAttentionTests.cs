using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Kernels;

public class DecodeAttentionTests
{
    private const int Room = 40, Past = 29;

    [Theory]
    [InlineData(4, 4, 16, 0, null, false)]
    [InlineData(4, 2, 40, 16, null, false)]
    [InlineData(4, 2, 16, 8, 7, false)]
    [InlineData(6, 1, 64, 16, null, true)]
    [InlineData(4, 4, 32, 16, 11, true)]
    public void A_step_is_attention_in_float64(int heads, int shared, int size, int rotated, int? window, bool isPadded)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(3);
        const int batch = 3;
        var firsts = isPadded ? new[] { 0, 12, 29 } : null;
        Tensor Random(params long[] shape) => randn(shape, generator: generator);
        var (q, k, v) = (Random(batch, 1, heads, size), Random(batch, 1, shared, size), Random(batch, 1, shared, size));
        var (keys, values) = (Random(batch, shared, Room, size), Random(batch, shared, Room, size));
        var (before, valuesBefore) = (keys.clone(), values.clone());
        var angles = rotated == 0 ? null : Random(batch, rotated / 2);
        var cosine = angles is null ? null : cat([angles.cos(), angles.cos()], -1);
        var sine = angles is null ? null : cat([angles.sin().neg(), angles.sin()], -1);
        var shape = new AttentionShape(heads, shared, size, rotated, 0.3f, window);

        var actual = DecodeAttention.Run(q, k, v, keys, values, Past, shape, cosine, sine, firsts);

        for (var row = 0; row < batch; row++)
        {
            for (var head = 0; head < heads; head++)
            {
                var from = head / (heads / shared);
                var query = Rotated(q[row, 0, head], row).mul(0.3);
                var low = Math.Max(firsts?[row] ?? 0, window is { } most ? Past - most + 1 : 0);
                var allKeys = cat([before[row, from].narrow(0, low, Past - low).to(ScalarType.Float64), Rotated(k[row, 0, from], row).unsqueeze(0)], 0);
                var allValues = cat([valuesBefore[row, from].narrow(0, low, Past - low).to(ScalarType.Float64), v[row, 0, from].to(ScalarType.Float64).unsqueeze(0)], 0);
                var expected = allKeys.matmul(query).softmax(0).unsqueeze(0).mm(allValues)[0];
                actual[row, 0].narrow(0, head * size, size).to(ScalarType.Float64).sub(expected).abs().max().item<double>().ShouldBeLessThan(1e-5);
            }
        }
        keys.narrow(2, 0, Past).equal(before.narrow(2, 0, Past)).all().item<bool>().ShouldBeTrue("only the new position is written");
        values.select(2, Past).sub(v[.., 0]).abs().max().item<float>().ShouldBe(0);

        Tensor Rotated(Tensor vector, int row)
        {
            var x = vector.to(ScalarType.Float64);
            if (rotated == 0) return x;
            var (first, second, rest) = (x.narrow(0, 0, rotated / 2), x.narrow(0, rotated / 2, rotated / 2), x.narrow(0, rotated, size - rotated));
            var (c, s) = (angles![row].to(ScalarType.Float64).cos(), angles[row].to(ScalarType.Float64).sin());
            return cat([first.mul(c).sub(second.mul(s)), second.mul(c).add(first.mul(s)), rest]);
        }
    }
}
