using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Lora.Tests;

/// <summary>Convolutions of every padding, stride, dilation and grouping, in float64.</summary>
public sealed class ConvolutionTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public ConvolutionTests() => manual_seed(17);

    public void Dispose() => scope.Dispose();

    private static (nn.Module<Tensor, Tensor> Model, Tensor Input) Case(string kind)
    {
        const ScalarType type = ScalarType.Float64;
        Tensor Input(int dimensions) => randn([2, 4, .. Enumerable.Repeat(7L, dimensions)], type);
        return kind switch
        {
            "1d" => (nn.Conv1d(4, 6, 3, stride: 2, padding: 1, dtype: type), Input(1)),
            "1d, same, even" => (nn.Conv1d(4, 6, 4, padding: Padding.Same, dtype: type), Input(1)),
            "1d, reflected" => (nn.Conv1d(4, 6, 3, padding: 2, padding_mode: PaddingModes.Reflect, dtype: type), Input(1)),
            "2d" => (nn.Conv2d(4, 6, (3, 2), stride: (2, 1), padding: (1, 2), dilation: (1, 2), dtype: type), Input(2)),
            "2d, same, even" => (nn.Conv2d(4, 6, 2, padding: Padding.Same, dilation: 3, dtype: type), Input(2)),
            "2d, valid" => (nn.Conv2d(4, 6, 3, padding: Padding.Valid, dtype: type), Input(2)),
            "2d, circular" => (nn.Conv2d(4, 6, (3, 2), padding: (2, 1), padding_mode: PaddingModes.Circular, dtype: type), Input(2)),
            "3d" => (nn.Conv3d(4, 6, (2, 3, 1), stride: (1, 2, 1), padding: (1, 0, 0), dtype: type), Input(3)),
            "3d, same, even" => (nn.Conv3d(4, 6, (2, 1, 4), padding: Padding.Same, dtype: type), Input(3)),
            "1d, groups" => (nn.Conv1d(4, 6, 3, padding: 1, groups: 2, dtype: type), Input(1)),
            "2d, groups" => (nn.Conv2d(4, 6, (3, 2), stride: (2, 2), padding: (1, 1), groups: 2, dtype: type), Input(2)),
            "2d, depthwise" => (nn.Conv2d(4, 4, 2, padding: Padding.Same, groups: 4, bias: false, dtype: type), Input(2)),
            _ => (nn.Conv3d(4, 6, 2, groups: 2, dtype: type), Input(3)),
        };
    }

    [Theory]
    [InlineData("1d")]
    [InlineData("1d, same, even")]
    [InlineData("1d, reflected")]
    [InlineData("2d")]
    [InlineData("2d, same, even")]
    [InlineData("2d, valid")]
    [InlineData("2d, circular")]
    [InlineData("3d")]
    [InlineData("3d, same, even")]
    public void LoRA_and_DoRA_do_the_same_before_and_after_merging(string kind)
    {
        var (convolution, x) = Case(kind);
        using var model = nn.Sequential(convolution);
        var before = model.call(x);
        foreach (var dora in new[] { false, true })
        {
            var peft = model.ApplyAdapter(new LoraOptions { Rank = 2, Alpha = 3, UseDora = dora, TargetModules = ["0"] });
            model.call(x).Difference(before).ShouldBeLessThan(1e-12f);
            peft.Shake();
            var adapted = model.call(x);
            adapted.Difference(before).ShouldBeGreaterThan(1e-3f);
            // The norm that DoRA divides by is a constant of its gradient, so differences would see more than it.
            if (!dora) peft.ShouldHaveRightGradients(() => model.call(x).square().mean());
            peft.Merge();
            model.call(x).Difference(adapted).ShouldBeLessThan(1e-12f);
            peft.Unload();
            model.call(x).Difference(before).ShouldBe(0);
        }
    }

    [Theory]
    [InlineData("1d, groups")]
    [InlineData("2d, groups")]
    [InlineData("2d, depthwise")]
    [InlineData("3d, groups")]
    public void LoRA_of_a_grouped_convolution_reads_all_channels_and_writes_group_by_group(string kind)
    {
        var (convolution, x) = Case(kind);
        var dimensions = (int)x.dim() - 2;
        using var model = nn.Sequential(convolution);
        var groups = ((Convolution)convolution).groups;
        var before = model.call(x);
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 4, Alpha = 6, UseLoraBias = true, TargetModules = ["0"] });
        model.call(x).Difference(before).ShouldBe(0);
        peft.Shake();
        var tensors = peft.Find("default").Tensors.ToDictionary(pair => pair.Tensor.Name, pair => (Tensor)pair.Tensor.Value);
        tensors["lora_A.weight"].shape.ShouldBe([4, 4, .. convolution.get_parameter("weight")!.shape[2..]]);
        tensors["lora_B.weight"].shape.ShouldBe([before.shape[1], 4 / groups, .. Enumerable.Repeat(1L, dimensions)]);

        // The same by the module itself: a convolution of one group, whose output channels B mixes group by group.
        Tensor hidden;
        using (var plain = Ungrouped(kind))
        {
            using var _ = no_grad();
            plain.get_parameter("weight")!.set_(tensors["lora_A.weight"].detach());
            hidden = plain.call(x).flatten(2).reshape(2, groups, 4 / groups, -1);   // [batch, groups, rank/groups, positions]
        }
        var b = tensors["lora_B.weight"].reshape(groups, before.shape[1] / groups, 4 / groups);
        var added = einsum("gor,ngrp->ngop", b, hidden).reshape(before.shape) + tensors["lora_B.bias"].reshape([-1, .. Enumerable.Repeat(1L, dimensions)]);
        model.call(x).Difference(before + added * 1.5).ShouldBeLessThan(1e-12f);

        peft.ShouldHaveRightGradients(() => model.call(x).square().mean());
        Should.Throw<NotMergeableException>(() => peft.Merge()).Message.ShouldContain("0 cannot be merged");
    }

    // The convolutions of four channels to four, without bias, that A is.
    private static nn.Module<Tensor, Tensor> Ungrouped(string kind)
    {
        const ScalarType type = ScalarType.Float64;
        return kind switch
        {
            "1d, groups" => nn.Conv1d(4, 4, 3, padding: 1, bias: false, dtype: type),
            "2d, groups" => nn.Conv2d(4, 4, (3, 2), stride: (2, 2), padding: (1, 1), bias: false, dtype: type),
            "2d, depthwise" => nn.Conv2d(4, 4, 2, padding: Padding.Same, bias: false, dtype: type),
            _ => nn.Conv3d(4, 4, 2, bias: false, dtype: type),
        };
    }

    [Fact]
    public void LoRA_of_a_grouped_convolution_is_saved_read_back_and_never_half_combined()
    {
        using var folder = new TemporaryFolder();
        var (convolution, x) = Case("2d, groups");
        using var model = nn.Sequential(convolution);
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 2, TargetModules = ["0"] });
        peft.Shake();
        var output = model.call(x);
        peft.SaveAdapter(folder);
        peft.LoadAdapter(folder, "again").Activate("again");
        model.call(x).Difference(output).ShouldBe(0);
        Should.Throw<AdapterOptionsException>(() => peft.Combine("both", [("default", 1), ("again", 1)], new())).Message.ShouldContain("0 (Conv2d");
        peft.HotSwap("again", folder);
        model.call(x).Difference(output).ShouldBe(0);
    }

    [Fact]
    public void What_a_grouped_convolution_cannot_have_is_refused_with_its_name_and_a_remedy()
    {
        var (convolution, _) = Case("2d, groups");
        using var model = nn.Sequential(convolution);
        string Refusal(LoraOptions options) => Should.Throw<AdapterOptionsException>(() => model.ApplyAdapter(options with { TargetModules = ["0"] })).Message;
        Refusal(new() { Rank = 3 }).ShouldContain("0 (Conv2d, 6×12) is a convolution with 2 groups, which must divide its rank, but the rank is 3. Set another rank with RankPattern");
        Refusal(new() { Rank = 2, UseDora = true }).ShouldContain("UseDora");
        Refusal(new() { Rank = 2, Initialization = LoraInitialization.Pissa }).ShouldContain("'pissa'");
        Should.Throw<AdapterOptionsException>(() => model.ApplyAdapter(new PveraOptions { Rank = 2, TargetModules = ["0"] })).Message.ShouldContain("a grouped convolution");
    }

    public static TheoryData<string> Updates => ["LOHA", "LOKR", "HIRA", "VERA", "ADALORA", "FOURIERFT", "SHIRA", "DEFT", "DELORA", "RANDLORA", "MISS", "GLORA", "WAVEFT", "UNILORA", "OSF"];

    [Theory, MemberData(nameof(Updates))]
    public void Other_methods_see_the_matrix_of_a_grouped_convolution_and_merge_into_it(string method)
    {
        var (convolution, x) = Case("2d, groups");
        using var model = nn.Sequential(convolution);
        var before = model.call(x);
        TargetedOptions options = method switch
        {
            "FOURIERFT" => new FourierFtOptions { Frequencies = 20 },
            "SHIRA" => new ShiraOptions { Rank = 2 },
            "WAVEFT" => new WaveFtOptions { Coefficients = 20 },
            _ => (TargetedOptions)Activator.CreateInstance(AdapterMethods.Known[method])!,
        };
        using var peft = model.ApplyAdapter(options with { TargetModules = ["0"] });
        peft.Shake();
        var adapted = model.call(x);
        adapted.Difference(before).ShouldBeGreaterThan(1e-4f);
        peft.Merge();
        model.call(x).Difference(adapted).ShouldBeLessThan(1e-10f);
    }

    [Fact]
    public void A_convolution_is_no_obstacle_where_it_is_no_target()
    {
        using var model = nn.Sequential(nn.Conv1d(2, 3, 4, padding: Padding.Same, padding_mode: PaddingModes.Replicate, groups: 1), nn.Linear(5, 5));
        using var peft = model.ApplyLora(rank: 2, targets: new[] { "1" });
        peft.Status().ShouldHaveSingleItem().Path.ShouldBe("1");
    }
}
