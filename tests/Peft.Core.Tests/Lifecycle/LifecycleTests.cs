using static TorchSharp.torch;

namespace Peft.Core.Tests.Lifecycle;

/// <summary>What a model has before, with and after its adapters.</summary>
public sealed class LifecycleTests : UserModelTests
{
    [Fact]
    public void A_model_of_private_fields_sequences_and_lists_is_adapted_and_left_as_it_was_bit_for_bit()
    {
        var (bits, before) = (Model.Bits(), Model.call(Input));
        var peft = Model.ApplyLora(rank: 2);
        peft.Tree.Targets.Select(target => target.Path).ShouldBe(["enter", "middle.0", "middle.2", "list.0", "list.1", "leave"], ignoreOrder: true);
        using (no_grad()) Model.call(Input).Difference(before).ShouldBe(0);   // an untrained adapter changes nothing
        Model.call(Input).Difference(before).ShouldBeLessThan(1e-5f);         // in training a product of the library's own adds up in another order
        peft.Shake();
        Model.call(Input).Difference(before).ShouldBeGreaterThan(1e-3f);
        Model.parameters().ShouldAllBe(parameter => !parameter.requires_grad);

        peft.Unload();
        Model.ShouldHaveBits(bits);
        Model.parameters().ShouldAllBe(parameter => parameter.requires_grad);
        Model.call(Input).Difference(before).ShouldBe(0);
    }

    [Fact]
    public void A_parameter_that_was_frozen_before_is_frozen_afterwards()
    {
        var own = Model.parameters().First();
        own.requires_grad = false;
        Model.ApplyLora(rank: 2).Unload();
        own.requires_grad.ShouldBeFalse();
        Model.parameters().Skip(1).ShouldAllBe(parameter => parameter.requires_grad);
    }

    [Fact]
    public void A_second_unloading_leaves_the_adapters_that_the_model_has_since()
    {
        var first = Model.ApplyLora(rank: 2);
        first.Unload();
        using var second = Model.ApplyLora(rank: 2);
        first.Dispose();
        PeftModel.Of(Model).ShouldBeSameAs(second);
        Model.parameters().ShouldAllBe(parameter => !parameter.requires_grad);
    }

    [Fact]
    public void A_loaded_adapter_is_frozen_unless_it_is_to_be_trained()
    {
        using var folder = new TemporaryFolder();
        using (var peft = Model.ApplyLora(rank: 2)) peft.SaveAdapter(folder);
        using (var frozen = Model.ApplyAdapter(folder)) frozen.Trainables.ShouldBeEmpty();
        using var trainable = Model.ApplyAdapter(folder, trainable: true);
        trainable.Trainables.ShouldNotBeEmpty();
    }

    [Fact]
    public void Adapters_are_added_activated_renamed_and_deleted_by_name()
    {
        using var peft = Model.ApplyLora(rank: 2);
        peft.Add("second", new LoraOptions { Rank = 1, TargetModules = ["enter"] });
        peft.Active.ShouldBe(["default"]);
        peft.Activate("second");
        peft.Trainables.Count.ShouldBe(2);
        peft.Find("default").Tensors.ShouldAllBe(pair => !pair.Tensor.Value.requires_grad);
        peft.Rename("second", "other");
        peft.Active.ShouldBe(["other"]);
        peft.Status().Single(row => row.Adapter == "other").Path.ShouldBe("enter");
        peft.Freeze("other");
        peft.Trainables.ShouldBeEmpty();
        peft.Delete("other");
        peft.Active.ShouldBeEmpty();
        Should.Throw<AdapterNotFoundException>(() => peft.Activate("other")).Message.ShouldContain("default");
        Should.Throw<AdapterExistsException>(() => peft.Add("default", new LoraOptions { TargetModules = ["enter"] }));
        Should.Throw<AdapterExistsException>(() => Model.ApplyLora(rank: 2)).Message.ShouldContain("default");
    }

    [Fact]
    public void Freezing_takes_the_gradients_of_an_adapter_and_unfreezing_gives_them_back_while_it_is_active()
    {
        using var peft = Model.ApplyLora(rank: 2);
        peft.Add("second", new LoraOptions { Rank = 1, TargetModules = ["enter"] });
        bool Learns(string name) => peft.Find(name).Tensors.Select(pair => pair.Tensor.Value.requires_grad).Distinct().Single();
        (Learns("default"), Learns("second")).ShouldBe((true, false));
        peft.Freeze("default");
        Learns("default").ShouldBeFalse();
        peft.Unfreeze("default");
        Learns("default").ShouldBeTrue();
        peft.Freeze("second");
        peft.Activate("default", "second");
        (Learns("default"), Learns("second")).ShouldBe((true, false));
        peft.Unfreeze("second");
        Learns("second").ShouldBeTrue();
    }

    [Fact]
    public void A_name_may_stay_and_a_model_without_adapters_says_so()
    {
        using var peft = Model.ApplyLora(rank: 2);
        peft.Rename("default", "default");
        peft.Active.ShouldBe(["default"]);
        peft.Delete("default");
        Should.Throw<AdapterNotFoundException>(() => peft.Find("default")).Message.ShouldContain("The adapters of this model are: none.");
    }

    [Fact]
    public void A_module_whose_owner_calls_forward_is_named()
    {
        using var careless = new UserModel(bypassHooks: true);
        using var peft = careless.ApplyLora(rank: 2);
        careless.call(Input);
        peft.Unreached.ShouldBe(["leave"]);
    }

    [Fact]
    public void Memory_stays_flat_over_training_steps()
    {
        using var peft = Model.ApplyAdapter(new LoraOptions { Rank = 2, Dropout = 0.1, TargetModules = ModuleSelector.AllLinear });
        using var parameters = new FlatParameters(peft.Trainables);
        using var optimizer = new FlatAdamW(parameters, 1e-3);
        void Step()
        {
            using var step = NewDisposeScope();
            parameters.ZeroGradients();
            Model.call(Input).square().mean().backward();
            parameters.BindGradients();
            optimizer.Step();
        }
        for (var i = 0; i < 20; i++) Step();
        // What other tests left to the finalizers would be counted as freed here.
        GC.Collect();
        GC.WaitForPendingFinalizers();
        var before = Tensor.TotalCount;
        for (var i = 0; i < 500; i++) Step();
        Tensor.TotalCount.ShouldBe(before);
    }
}
