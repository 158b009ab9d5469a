using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Runtime;

/// <summary>The switches of single kernels. Runs alone: the options hold for the whole process.</summary>
[Collection(Training.Alone.Name)]
public sealed class CpuOptionsTests : IDisposable
{
    public void Dispose() => TorchRuntime.Cpu = new();

    private static void Switches(Func<bool> applies, CpuOptions without)
    {
        applies().ShouldBeTrue();
        TorchRuntime.Cpu = without;
        applies().ShouldBeFalse();
        TorchRuntime.Cpu = new();
        applies().ShouldBeTrue();
    }

    [Fact]
    public void Each_kernel_can_be_switched_off()
    {
        using var scope = NewDisposeScope();
        var (few, one, weight, a, b) = (randn(4, 16), randn(1, 16), randn(24, 16), randn(2, 16), randn(24, 2));
        using (inference_mode())
        {
            Switches(() => SkinnyProduct.Supports(few, weight, null, 16), new() { SkinnyProducts = false });
            Switches(() => DecodeProduct.Supports(one, weight, null, 16), new() { SmallProducts = false });
            Switches(() => LayerNormKernel.Supports(few, weight[0], null), new() { NormsAndGates = false });
            Switches(() => ActivationKernel.Supports("gelu", few), new() { NormsAndGates = false });
            Switches(() => LowRankStep.Supports(few, a, b), new() { LowRankProducts = false });
        }
        Switches(() => MatrixProduct.Supports(randn(8, 16), weight, 16), new() { MatrixProducts = false });
        Switches(() => FactoredProduct.Of(weight, null, a, b, 1) is not null, new() { SmallProducts = false });
        Switches(() => LowRankProduct.Of(new(weight), null, a, b, 1) is not null, new() { LowRankProducts = false });
        Switches(() => RmsNormKernel.Supports(few, weight[0]), new() { NormsAndGates = false });
        Switches(() => SwigluKernel.Supports(few, few), new() { NormsAndGates = false });
        Switches(() => LogSoftmaxKernel.Supports(few, zeros(4, ScalarType.Int64)), new() { TokenLosses = false });
        Switches(() => WorkTeam.TryRun(2, 2, _ => { }), new() { WorkTeam = false });
    }

    [Fact]
    public void Every_technique_is_on_by_default_and_there_are_always_options()
    {
        typeof(CpuOptions).GetProperties().Where(property => property.PropertyType == typeof(bool)).ShouldAllBe(property => (bool)property.GetValue(new CpuOptions())!);
        TorchRuntime.Cpu.ShouldBe(new());
        Should.Throw<ArgumentNullException>(() => TorchRuntime.Cpu = null!);
    }
}
