using Peft.Core.Tests.FineTuning;
using Peft.Modules;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Lifecycle;

/// <summary>What is removed from a model leaves its modules and frees its tensors.</summary>
public sealed class AdapterMemoryTests : UserModelTests
{
    [Fact]
    public void Deleting_swapping_and_unloading_free_the_tensors_of_the_adapter()
    {
        using var folder = new TemporaryFolder();
        var peft = Model.ApplyLora(rank: 2);
        peft.SaveAdapter(folder);
        Tensor[] Tensors(string name) => [.. peft.Find(name).Tensors.Select(pair => pair.Tensor.Value)];
        var swapped = Tensors("default");
        peft.HotSwap("default", folder);
        Output();   // the state of earlier passes goes with the next pass
        swapped.ShouldAllBe(tensor => tensor.IsInvalid);
        peft.LoadAdapter(folder, "second");
        var deleted = Tensors("second");
        peft.Delete("second");
        Output();
        deleted.ShouldAllBe(tensor => tensor.IsInvalid);
        var unloaded = Tensors("default");
        unloaded.ShouldAllBe(tensor => !tensor.IsInvalid);
        peft.Unload();
        unloaded.ShouldAllBe(tensor => tensor.IsInvalid);
    }

    [Fact]
    public void A_scope_keeps_the_adapter_that_it_uses_until_it_ends()
    {
        using var peft = Model.ApplyLora(rank: 2);
        peft.Shake();
        var output = Output();
        var tensor = peft.Trainables[0].Value;
        using (peft.WithAdapters("default"))
        {
            peft.Delete("default");
            Output().Difference(output).ShouldBe(0);
            tensor.IsInvalid.ShouldBeFalse();
        }
        Output();   // the state of earlier passes goes with the next pass
        tensor.IsInvalid.ShouldBeTrue();
    }

    [Fact]
    public void Unloading_ends_open_scopes_and_frees_what_they_keep()
    {
        var peft = Model.ApplyLora(rank: 2);
        var tensor = peft.Trainables[0].Value;
        using var open = peft.WithAdapters("default");
        peft.Unload();
        tensor.IsInvalid.ShouldBeTrue();
    }

    [Fact]
    public void An_adapter_that_is_deleted_during_a_pass_has_no_effect_on_the_next()
    {
        var output = Output();
        using var peft = Model.ApplyLora(rank: 2);
        peft.Shake();
        using (peft.Pass())
        {
            Output().Difference(output).ShouldBeGreaterThan(1e-3);
            peft.Delete("default");
            Output().Difference(output).ShouldBeGreaterThan(1e-3);
        }
        Output().Difference(output).ShouldBe(0);
    }

    [Fact]
    public void An_adapter_that_fails_while_it_is_made_is_freed()
    {
        using var peft = Model.ApplyLora(rank: 2);
        Tensor[] made = [];
        Should.Throw<InvalidOperationException>(() => peft.Add("second", new LoraOptions { Rank = 2, TargetModules = ["enter"] }, adapter =>
        {
            made = [.. adapter.Tensors.Select(pair => pair.Tensor.Value)];
            throw new InvalidOperationException();
        }));
        made.Length.ShouldBe(2);
        made.ShouldAllBe(tensor => tensor.IsInvalid);
        peft.Adapters.Keys.ShouldBe(["default"]);
    }

    [Fact]
    public void Modules_are_adapted_as_long_as_an_adapter_is_at_them()
    {
        using var tower = Tower.Create();
        AdaptableModule[] slots = [.. tower.modules().OfType<AdaptableModule>()];
        slots.Length.ShouldBeGreaterThan(2);
        var peft = tower.ApplyPartial("norm");
        peft.Add("head", new PartialOptions { TargetModules = ["head", "norm"] });
        string[] Adapted() => [.. slots.Where(slot => slot.IsAdapted).Select(slot => slot.GetType().Name).Order(StringComparer.Ordinal)];
        Adapted().ShouldBe(["Embedding", "LayerNorm", "Linear"]);
        peft.Delete("default");
        Adapted().ShouldBe(["Embedding", "LayerNorm", "Linear"]);
        peft.Add("embedding", new PartialOptions { TargetModules = ["norm"] });
        peft.Delete("head");
        Adapted().ShouldBe(["LayerNorm"]);
        peft.Unload();
        Adapted().ShouldBeEmpty();
    }
}
