using static TorchSharp.torch;

namespace Peft.Core.Tests.Passes;

/// <summary>Scopes in which other adapters than the active ones are in effect.</summary>
public sealed class ScopeTests : UserModelTests
{
    private readonly PeftModel peft;
    private readonly Tensor bare, first, second, both;

    public ScopeTests()
    {
        bare = Output();
        peft = Model.ApplyAdapter(new LoraOptions { Rank = 2, TargetModules = ["enter", "list.0", "list.1"] }, "first");
        peft.Add("second", new LoraOptions { Rank = 1, TargetModules = ["enter", "leave"] });
        peft.Activate("first", "second");
        peft.Shake();
        both = Output();
        peft.Activate("second");
        second = Output();
        peft.Activate("first");
        first = Output();
        foreach (var (one, other) in new[] { (bare, first), (bare, second), (first, second), (both, first), (both, second) }) one.Difference(other).ShouldBeGreaterThan(1e-3);
    }

    [Fact]
    public void Scopes_nest_and_each_end_brings_back_what_was_in_effect()
    {
        using (peft.WithAdapters("second"))
        {
            ShouldGive(second);
            using (peft.WithoutAdapters())
            {
                ShouldGive(bare);
                using (peft.WithAdapters("first", "second")) ShouldGive(both);
                ShouldGive(bare);
            }
            ShouldGive(second);
            peft.Active.ShouldBe(["first"]);
        }
        ShouldGive(first);
    }

    [Fact]
    public void Scopes_may_end_in_any_order()
    {
        var outer = peft.WithAdapters("second");
        var inner = peft.WithoutAdapters();
        outer.Dispose();
        ShouldGive(bare);
        inner.Dispose();
        ShouldGive(first);
        inner.Dispose();
        ShouldGive(first);
    }

    [Fact]
    public void The_name_of_the_base_and_no_name_are_the_base_model()
    {
        using (peft.WithAdapters(PeftModel.Base)) ShouldGive(bare);
        using (peft.WithAdapters()) ShouldGive(bare);
    }

    [Fact]
    public void Layers_are_left_out_by_their_number()
    {
        using var deep = nn.Sequential(("layers", nn.Sequential(nn.Sequential(nn.Linear(6, 6)), nn.Sequential(nn.Linear(6, 6)))));
        Tensor Given()
        {
            using var _ = no_grad();
            return deep.call(Input);
        }
        var plain = Given();
        using var adapted = deep.ApplyAdapter(new LoraOptions { Rank = 2, TargetModules = ["layers.0.0"] }, "lower");
        adapted.Shake();
        var lower = Given();
        adapted.Add("upper", new LoraOptions { Rank = 2, TargetModules = ["layers.1.0"] });
        adapted.Activate("upper");
        adapted.Shake();
        var upper = Given();
        adapted.Activate("lower", "upper");
        var whole = Given();
        using (adapted.WithoutAdaptersIn(1))
        {
            Given().Difference(lower).ShouldBe(0);
            using (adapted.WithoutAdaptersIn(0)) Given().Difference(plain).ShouldBe(0);
        }
        using (adapted.WithoutAdaptersIn(0)) Given().Difference(upper).ShouldBe(0);
        using (adapted.WithoutAdaptersIn(0, 1)) Given().Difference(plain).ShouldBe(0);
        using (adapted.WithoutAdaptersIn(7)) Given().Difference(whole).ShouldBe(0);
        whole.Difference(lower).ShouldBeGreaterThan(1e-3);
    }

    [Fact]
    public void A_scope_that_cannot_be_is_refused_and_leaves_nothing_open()
    {
        Should.Throw<AdapterNotFoundException>(() => peft.WithAdapters("nobody")).Message.ShouldContain("first, second");
        Should.Throw<AdapterNotFoundException>(() => peft.Rows("first", "nobody"));
        Should.Throw<ArgumentException>(() => peft.WithAdapters("first", "first")).Message.ShouldContain("once");
        Should.Throw<ArgumentException>(() => peft.Rows()).Message.ShouldContain("for each row");
        Should.Throw<ArgumentException>(() => peft.Tasks(-1)).Message.ShouldContain("[-1]");
        Should.Throw<ArgumentException>(() => peft.Tasks()).Message.ShouldContain("[]");
        ShouldGive(first);
        peft.Merge();   // which an open scope would prevent
    }

    [Fact]
    public void Merging_is_refused_while_a_scope_chooses_adapters_and_other_scopes_are_no_obstacle()
    {
        foreach (var (kind, open) in new (string, Func<IDisposable>)[] { ("WithAdapters", () => peft.WithAdapters("second")), ("Rows", () => peft.Rows("first", "second", "first", "second")) })
        {
            using var chosen = open();
            Should.Throw<PeftException>(() => peft.Merge()).Message.ShouldContain($"Merge is not possible while a scope of {kind} is open");
            Should.Throw<PeftException>(() => peft.MergeAndUnload()).Message.ShouldContain($"MergeAndUnload is not possible while a scope of {kind} is open");
        }
        using (peft.WithoutAdapters())
        {
            peft.Merge();
            ShouldGive(bare);
        }
        Output().RelativeDifference(first).ShouldBeLessThan(1e-5);   // float32 sums in another order
    }

    [Fact]
    public void Scopes_that_choose_no_adapters_follow_what_the_model_activates_renames_and_deletes()
    {
        using (peft.WithoutAdaptersIn(7))
        {
            ShouldGive(first);
            peft.Activate("second");
            ShouldGive(second);
            peft.Activate("first", "second");
            ShouldGive(both);
            peft.Rename("first", "renamed");
            ShouldGive(both);
            peft.Delete("renamed");
            ShouldGive(second);
            peft.Add("third", new LoraOptions { Rank = 1, TargetModules = ["enter"] });
            peft.Delete("second");
            ShouldGive(bare);
        }
        ShouldGive(bare);
    }

    [Fact]
    public void Unloading_ends_open_scopes()
    {
        using var open = peft.WithAdapters("second");
        peft.Unload();
        ShouldGive(bare);
    }

    [Fact]
    public void Each_row_of_a_batch_goes_through_its_own_adapter()
    {
        var expected = stack([second[0], bare[1], first[2], second[3]]);
        using (peft.Rows("second", PeftModel.Base, "first", "second")) Output().Difference(expected).ShouldBeLessThan(1e-5);   // products of fewer rows at a time
        using (peft.Rows("second", "second")) Should.Throw<PeftException>(() => Model.call(Input)).Message.ShouldContain("4 rows");
    }

    [Fact]
    public void Rows_and_tasks_of_their_own_keep_a_batch_together()
    {
        peft.RowsAreIndependent.ShouldBeTrue();
        using (peft.Rows("first", "second", "first", "second")) peft.RowsAreIndependent.ShouldBeFalse();
        using (peft.Tasks(0))
        {
            peft.RowsAreIndependent.ShouldBeFalse();
            peft.TaskIds!.Values<long>().ShouldBe([0L]);
        }
        peft.TaskIds.ShouldBeNull();
        peft.RowsAreIndependent.ShouldBeTrue();
    }

    private void ShouldGive(Tensor expected) => Output().Difference(expected).ShouldBe(0);
}
