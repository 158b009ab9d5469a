using static TorchSharp.torch;

namespace Peft.Lora.Tests;

public sealed class LifecycleTests : IDisposable
{
    private readonly TorchSharp.DisposeScope scope = NewDisposeScope();
    private readonly UserModel model = new();
    private readonly Tensor x;

    public LifecycleTests()
    {
        manual_seed(3);
        x = randn(4, 6);
    }

    public void Dispose()
    {
        model.Dispose();
        scope.Dispose();
    }

    [Fact]
    public void A_model_of_private_fields_sequences_and_lists_is_adapted_and_left_as_it_was_bit_for_bit()
    {
        var (bits, before) = (Run.Bits(model), model.call(x));
        var peft = model.ApplyLora(rank: 2);
        peft.Tree.Targets.Select(target => target.Path).ShouldBe(["enter", "middle.0", "middle.2", "list.0", "list.1", "leave"], ignoreOrder: true);
        using (no_grad()) Run.Difference(model.call(x), before).ShouldBe(0);   // an untrained adapter changes nothing
        Run.Difference(model.call(x), before).ShouldBeLessThan(1e-5f);         // in training a product of the library's own adds up in another order
        peft.Shake();
        Run.Difference(model.call(x), before).ShouldBeGreaterThan(1e-3f);
        model.parameters().ShouldAllBe(parameter => !parameter.requires_grad);

        peft.Unload();
        model.ShouldHaveBits(bits);
        model.parameters().ShouldAllBe(parameter => parameter.requires_grad);
        Run.Difference(model.call(x), before).ShouldBe(0);
    }

    [Fact]
    public void Merging_equals_the_forward_pass_and_unmerging_restores_the_bits_for_stacks_of_adapters()
    {
        var (bits, before) = (Run.Bits(model), model.call(x));
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 2, TargetModules = ModuleSelector.AllLinear }, "plain");
        peft.Add("dora", new LoraOptions { Rank = 3, UseDora = true, TargetModules = ["enter", "0"] });
        peft.Add("bias", new LoraOptions { Rank = 1, UseLoraBias = true, Bias = "all", TargetModules = ["leave", "list.1"] });
        peft.Add("pissa", new LoraOptions { Rank = 2, Initialization = LoraInitialization.Pissa, TargetModules = ["middle.2", "leave"] });
        foreach (var names in new string[][] { ["plain"], ["dora"], ["plain", "dora"], ["dora", "plain"], ["pissa", "dora", "bias", "plain"] })
        {
            peft.Activate(names);
            peft.Shake();
            var output = model.call(x);
            peft.Merge();
            Run.Difference(model.call(x), output).ShouldBeLessThan(1e-4f * output.abs().max().item<float>(), string.Join("+", names));   // float32 sums in another order
            using (peft.WithoutAdapters()) Run.Difference(model.call(x), before).ShouldBe(0);
            peft.Unmerge();
            model.ShouldHaveBits(bits);
        }
    }

    [Fact]
    public void A_safe_merge_refuses_numbers_that_are_not_finite_and_changes_nothing()
    {
        var bits = Run.Bits(model);
        using var peft = model.ApplyLora(rank: 2);
        using (no_grad()) peft.Trainables[^1].Value.fill_(float.NaN);
        Should.Throw<NotMergeableException>(() => peft.Merge(safe: true)).Message.ShouldContain("NaN");
        model.ShouldHaveBits(bits);
        peft.IsMerged.ShouldBeFalse();
    }

    [Fact]
    public void Adapters_are_added_activated_renamed_and_deleted_by_name()
    {
        using var peft = model.ApplyLora(rank: 2);
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
        Should.Throw<AdapterExistsException>(() => model.ApplyLora(rank: 2)).Message.ShouldContain("default");
    }

    [Fact]
    public void Each_row_of_a_batch_goes_through_its_own_adapter()
    {
        using var peft = model.ApplyLora(rank: 2);
        peft.Shake();
        peft.Add("b", new LoraOptions { Rank = 1, TargetModules = ["enter", "leave"] });
        peft.Activate("b");
        peft.Shake();
        Tensor Alone(string? name, int row)
        {
            if (name is null) using (peft.WithoutAdapters()) return model.call(x)[row];
            peft.Activate(name);
            return model.call(x)[row];
        }
        var expected = stack(new[] { Alone("b", 0), Alone(null, 1), Alone("default", 2), Alone("b", 3) });
        using (peft.Rows("b", PeftModel.Base, "default", "b")) Run.Difference(model.call(x), expected).ShouldBeLessThan(1e-5f);   // products of fewer rows at a time
        using (peft.Rows("b", "b")) Should.Throw<PeftException>(() => model.call(x)).Message.ShouldContain("4 rows");
    }

    [Fact]
    public void A_module_whose_owner_calls_forward_is_named()
    {
        using var careless = new UserModel(bypassHooks: true);
        using var peft = careless.ApplyLora(rank: 2);
        careless.call(x);
        peft.Unreached.ShouldBe(["leave"]);
    }

    [Fact]
    public void Target_names_that_match_nothing_are_refused_also_where_others_match()
    {
        var error = Should.Throw<TargetNotFoundException>(() => model.ApplyLora(rank: 2, targets: new[] { "enter", "leafe" }));
        error.Message.ShouldContain("[leafe]");
        error.Message.ShouldContain("leave");
        PeftModel.Of(model).ShouldBeNull();
        Should.Throw<TargetNotFoundException>(() => model.ApplyLora(rank: 2, targets: "nothing.*"));
        Should.Throw<AdapterOptionsException>(() => model.ApplyLora(rank: 2, targets: "(")).Message.ShouldContain("(");
        using var peft = model.ApplyLora(rank: 2, targets: @"list\.\d|leave");
        peft.Status().Select(row => row.Path).ShouldBe(["list.0", "list.1", "leave"], ignoreOrder: true);
    }

    [Fact]
    public void All_errors_of_options_come_at_once()
    {
        var error = Should.Throw<AdapterOptionsException>(() => model.ApplyAdapter(new LoraOptions { Rank = 0, Dropout = 1, Bias = "some" }));
        error.Message.ShouldContain("Rank must be at least 1, but was 0.");
        error.Message.ShouldContain("Dropout");
        error.Message.ShouldContain("'some'");
    }

    [Fact]
    public void Memory_stays_flat_over_training_steps()
    {
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 2, Dropout = 0.1, TargetModules = ModuleSelector.AllLinear });
        using var parameters = new FlatParameters(peft.Trainables);
        using var optimizer = new FlatAdamW(parameters, 1e-3);
        void Step()
        {
            using var step = NewDisposeScope();
            parameters.ZeroGradients();
            model.call(x).square().mean().backward();
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

    [Fact]
    public void An_adapter_of_PyTorchs_older_format_is_loaded_and_swapped_in_alike()
    {
        var folder = Directory.CreateTempSubdirectory("peft").FullName;
        try
        {
            using var peft = model.ApplyLora(rank: 2);
            peft.Shake();
            var output = model.call(x);
            peft.SaveAdapter(folder);
            using (var tensors = AdapterCheckpoint.OpenTensors(folder))
                Core.Tests.Checkpoints.TorchSave.Write(Path.Combine(folder, "adapter_model.bin"), tensors.Tensors.Keys.ToDictionary(key => key, key => tensors.Read(key)));
            File.Delete(Path.Combine(folder, AdapterCheckpoint.FileName));

            peft.Shake();
            peft.LoadAdapter(folder, "older", trainable: true).Activate("older");   // what learns is multiplied by a kernel of its own: bit for bit only alike
            Run.Difference(model.call(x), output).ShouldBe(0);
            peft.HotSwap(PeftModel.DefaultName, folder);
            peft.Activate(PeftModel.DefaultName);
            Run.Difference(model.call(x), output).ShouldBe(0);
        }
        finally
        {
            Directory.Delete(folder, true);
        }
    }
}
