using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Targets;

/// <summary>Which modules of a user's own model an adapter enters, by Hugging Face PEFT's rules.</summary>
public sealed class TargetTests : IDisposable
{
    private readonly TorchSharp.DisposeScope scope = NewDisposeScope();
    private readonly TemporaryFolder folder = new();
    private readonly Zoo model = new();
    private readonly Tensor ids, image;

    public TargetTests()
    {
        manual_seed(9);
        (ids, image) = (randint(0, 10, [2, 5]), randn(2, 3, 6, 6));
    }

    public void Dispose()
    {
        model.Dispose();
        scope.Dispose();
        folder.Dispose();
    }

    private static readonly string[] Linears =
    [
        "blocks.0.attention.query", "blocks.0.attention.value", "blocks.0.experts.0", "blocks.0.experts.1",
        "blocks.1.attention.query", "blocks.1.attention.value", "blocks.1.experts.0", "blocks.1.experts.1", "shared",
    ];

    [Fact]
    public void Every_kind_of_module_takes_an_adapter_that_merges_and_leaves_no_trace()
    {
        var bits = model.Bits();
        var before = model.call(ids, image);
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 2, TargetModules = ["embed", "conv1", "conv2", "query", "0", "shared", "head"] });
        Adapted(peft).ShouldBe(["embed", "conv1", "conv2", "blocks.0.attention.query", "blocks.0.experts.0", "blocks.1.attention.query", "blocks.1.experts.0", "shared", "head"], ignoreOrder: true);
        peft.Shake();
        var adapted = model.call(ids, image);
        adapted.Difference(before).ShouldBeGreaterThan(1e-2f);
        peft.Unreached.ShouldBeEmpty();
        peft.Merge();
        model.call(ids, image).RelativeDifference(adapted).ShouldBeLessThan(1e-4);   // float32 sums in another order
        peft.Unload();
        model.ShouldHaveBits(bits);
        model.call(ids, image).Difference(before).ShouldBe(0);
    }

    [Theory]
    [InlineData("all-linear")]
    [InlineData("All-Linear")]
    public void All_linear_means_linear_modules_without_the_head(string spelling)
    {
        using var peft = model.ApplyAdapter(new LoraOptions { TargetModules = spelling });
        Adapted(peft).ShouldBe(Linears, ignoreOrder: true);
    }

    // Many paths become the last parts that no other module has, or stay whole where there is none.
    [Fact]
    public void Many_linear_modules_are_named_as_shortly_as_others_allow()
    {
        (string, nn.Module<Tensor, Tensor>)[] own = [.. Enumerable.Range(0, 21).Select(i => ($"{i}", (nn.Module<Tensor, Tensor>)nn.Linear(3, 3)))];
        (string, nn.Module<Tensor, Tensor>)[] other = [("20", nn.ReLU()), ("up", nn.Linear(3, 3))];
        using var many = nn.Sequential([.. own, ("other", nn.Sequential(other))]);
        using var peft = many.ApplyAdapter(new LoraOptions { Rank = 2, TargetModules = "all-linear" });
        var options = (LoraOptions)peft.Find(PeftModel.DefaultName).Options;
        options.TargetModules!.Names.ShouldBe([.. Enumerable.Range(0, 21).Select(i => $"{i}"), "up"], ignoreOrder: true);
        peft.Find(PeftModel.DefaultName).Layers.Count.ShouldBe(22);
    }

    [Fact]
    public void Exclusions_are_names_or_a_regular_expression_for_the_whole_path()
    {
        string[] Left(ModuleSelector excluded)
        {
            using var peft = model.ApplyAdapter(new LoraOptions { TargetModules = ModuleSelector.AllLinear, ExcludeModules = excluded });
            peft.Warnings.ShouldBeEmpty();
            return [.. Linears.Except(Adapted(peft))];
        }
        Left(["value"]).ShouldBe(["blocks.0.attention.value", "blocks.1.attention.value"]);
        Left(["experts.1", "shared"]).ShouldBe(["blocks.0.experts.1", "blocks.1.experts.1", "shared"]);
        Left(["blocks.1.experts.0"]).ShouldBe(["blocks.1.experts.0"]);
        Left(@".*\.0\.attention\..*").ShouldBe(["blocks.0.attention.query", "blocks.0.attention.value"]);
        // Half of a path matches neither as a name nor as an expression.
        using var peft = model.ApplyAdapter(new LoraOptions { TargetModules = ModuleSelector.AllLinear, ExcludeModules = "attention" });
        Adapted(peft).ShouldBe(Linears, ignoreOrder: true);
        peft.Warnings.ShouldHaveSingleItem().ShouldBe("Adapter 'default': ExcludeModules [attention] matches no module of Zoo, so it excludes nothing.");
    }

    [Fact]
    public void Excluding_all_that_matches_is_refused()
        => Should.Throw<TargetNotFoundException>(() => model.ApplyAdapter(new LoraOptions { TargetModules = ["query"], ExcludeModules = ["attention.query"] }))
            .Message.ShouldBe("All modules that TargetModules [query] matches are excluded by ExcludeModules [attention.query] or LayersToTransform [].");

    [Fact]
    public void A_regular_expression_must_match_the_whole_path()
    {
        string[] Matched(string pattern)
        {
            using var peft = model.ApplyAdapter(new LoraOptions { TargetModules = pattern });
            return Adapted(peft);
        }
        Matched(@"blocks\.\d\.attention\.(query|value)").Length.ShouldBe(4);
        Matched(@".*experts\.1|head").ShouldBe(["blocks.0.experts.1", "blocks.1.experts.1", "head"], ignoreOrder: true);
        Should.Throw<TargetNotFoundException>(() => Matched("query")).Message.ShouldContain("'query'");
        Should.Throw<TargetNotFoundException>(() => Matched(@"blocks\.0\.attention")).Message.ShouldContain("The module blocks.0.attention");
    }

    [Fact]
    public void Layers_are_those_of_the_first_numbered_list_or_of_a_named_one()
    {
        string[] Chosen(int[] layers, string[]? lists = null, params string[] targets)
        {
            using var peft = model.ApplyAdapter(new LoraOptions { TargetModules = targets, LayersToTransform = layers, LayersPattern = lists });
            return Adapted(peft);
        }
        Chosen([1], null, "query", "0").ShouldBe(["blocks.1.attention.query", "blocks.1.experts.0"]);
        Chosen([0, 1], null, "query").Length.ShouldBe(2);
        Chosen([1], ["blocks"], "query", "value").ShouldBe(["blocks.1.attention.query", "blocks.1.attention.value"]);
        // What lies in no numbered list is in no layer.
        Chosen([0], null, "query", "shared").ShouldBe(["blocks.0.attention.query"]);
        Should.Throw<TargetNotFoundException>(() => Chosen([7], null, "query")).Message.ShouldContain("LayersToTransform [7]");
        Should.Throw<TargetNotFoundException>(() => Chosen([0], ["layers"], "query")).Message.ShouldContain("LayersToTransform [0]");
    }

    // Hugging Face PEFT writes such lists when one of several names matches, and files with them are on the hub.
    [Fact]
    public void Names_of_a_file_that_match_nothing_are_warned_of_where_others_match_and_are_an_error_in_options()
    {
        void Rename(string from, string to) => File.WriteAllText(folder[AdapterConfig.FileName], File.ReadAllText(folder[AdapterConfig.FileName]).Replace(from, to, StringComparison.Ordinal));

        using (var peft = model.ApplyAdapter(new LoraOptions { Rank = 2, TargetModules = ["query"] })) peft.SaveAdapter(folder);
        Rename("\"query\"", "\"query\", \"wq\", \"gate_proj\"");
        using (var loaded = model.ApplyAdapter(folder))
        {
            Adapted(loaded).ShouldBe(["blocks.0.attention.query", "blocks.1.attention.query"], ignoreOrder: true);
            loaded.Warnings.ShouldHaveSingleItem().ShouldContain("TargetModules [wq, gate_proj] matches no module of Zoo");
        }
        Should.Throw<TargetNotFoundException>(() => model.ApplyAdapter(new LoraOptions { TargetModules = ["query", "wq"] })).Message.ShouldContain("wq");
        Rename("\"query\", \"wq\", \"gate_proj\"", "\"wq\"");
        Should.Throw<TargetNotFoundException>(() => model.ApplyAdapter(folder)).Message.ShouldContain("wq");
    }

    [Fact]
    public void Target_names_that_match_nothing_are_refused_also_where_others_match()
    {
        using var user = new UserModel();
        var error = Should.Throw<TargetNotFoundException>(() => user.ApplyLora(rank: 2, targets: new[] { "enter", "leafe" }));
        error.Message.ShouldContain("[leafe]");
        error.Message.ShouldContain("leave");
        PeftModel.Of(user).ShouldBeNull();
        Should.Throw<TargetNotFoundException>(() => user.ApplyLora(rank: 2, targets: "nothing.*"));
        Should.Throw<AdapterOptionsException>(() => user.ApplyLora(rank: 2, targets: "(")).Message.ShouldContain("(");
        using var peft = user.ApplyLora(rank: 2, targets: @"list\.\d|leave");
        peft.Status().Select(row => row.Path).ShouldBe(["list.0", "list.1", "leave"], ignoreOrder: true);
    }

    [Fact]
    public void A_layer_that_is_not_there_is_warned_of()
    {
        using var peft = model.ApplyAdapter(new LoraOptions { TargetModules = ["query"], LayersToTransform = [0, 7] });
        peft.Warnings.ShouldHaveSingleItem().ShouldBe("Adapter 'default': LayersToTransform [7] matches no layer of Zoo.");
    }

    [Fact]
    public void Layers_go_with_names_only_and_their_pattern_with_layers_only()
    {
        var errors = Should.Throw<AdapterOptionsException>(() => new LoraOptions { TargetModules = "all-linear", LayersToTransform = [0] }.Validate()).Message;
        errors.ShouldContain("LayersToTransform requires a list of TargetModules, but they are the pattern 'all-linear'");
        Should.Throw<AdapterOptionsException>(() => new LoraOptions { LayersPattern = ["h"] }.Validate()).Message.ShouldContain("LayersPattern [h]");
        Should.Throw<AdapterOptionsException>(() => new LoraOptions { LayersToTransform = [-1] }.Validate()).Message.ShouldContain("[-1]");
    }

    [Fact]
    public void A_module_under_two_paths_has_one_adapter_which_acts_in_both_places()
    {
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 2, TargetModules = ["shared"] });
        peft.Trainables.Count.ShouldBe(2);
        peft.Shake();
        var adapted = model.call(ids, image);
        peft.Merge();   // into the one weight that both places use
        model.call(ids, image).RelativeDifference(adapted).ShouldBeLessThan(1e-4);   // float32 sums in another order
        peft.Unload();
        var error = Should.Throw<TargetNotFoundException>(() => model.ApplyAdapter(new LoraOptions { TargetModules = ["query", "again"] }));
        error.Message.ShouldContain("again is another path of the module shared: use that path.");
    }

    [Fact]
    public void Training_refuses_an_adapter_whose_hook_never_runs_by_the_path_of_its_module_and_logs_warnings()
    {
        using var careless = new UserModel(bypassHooks: true);
        using var peft = careless.ApplyAdapter(new LoraOptions { Rank = 2, TargetModules = ["enter", "leave"], ExcludeModules = ["nothing"] });
        var logger = new ListLogger();
        var trainer = new Trainer(peft, TrainingDataset.From(randn(4, 6)), new() { Epochs = 1 }) { Loss = batch => careless.call(batch.InputIds).square().mean(), Logger = logger };
        var message = Should.Throw<TrainingException>(() => trainer.Train()).Message;
        message.ShouldContain("adapted modules leave.");
        message.ShouldContain("call module.call(x)");
        logger.Lines.ShouldContain("Warning: Adapter 'default': ExcludeModules [nothing] matches no module of UserModel, so it excludes nothing.");
    }

    private static string[] Adapted(PeftModel peft) => [.. peft.Status().Select(row => row.Path)];

    /// <summary>Nested lists, a module in two places, and each kind of module that adapters enter.</summary>
    private sealed class Zoo : nn.Module<Tensor, Tensor, Tensor>, IPretrainedModel
    {
        private readonly TorchSharp.Modules.Embedding embed = nn.Embedding(10, 8);
        private readonly Conv1d conv1 = nn.Conv1d(8, 8, 3, padding: 1);
        private readonly Conv2d conv2 = nn.Conv2d(3, 8, 3, stride: 2);
        private readonly ModuleList<Block> blocks = nn.ModuleList(new Block(), new Block());
        private readonly TorchSharp.Modules.Linear shared = nn.Linear(8, 8);
        private readonly TorchSharp.Modules.Linear again;
        private readonly TorchSharp.Modules.Linear head = nn.Linear(8, 10);

        public Zoo() : base(nameof(Zoo))
        {
            again = shared;
            RegisterComponents();
        }

        public string ModelType => "zoo";

        public string? TaskType => null;

        public string? NameOrPath => null;

        public nn.Module InputEmbeddings => embed;

        public nn.Module Head => head;

        public override Tensor forward(Tensor ids, Tensor image)
        {
            var h = conv1.call(embed.call(ids).transpose(1, 2)).transpose(1, 2) + conv2.call(image).mean([2, 3]).unsqueeze(1);
            foreach (var block in blocks) h = block.call(h);
            return head.call(again.call(shared.call(h).tanh()));
        }
    }

    private sealed class Block : nn.Module<Tensor, Tensor>
    {
        private readonly Attention attention = new();
        private readonly Sequential experts = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8), nn.Tanh());

        public Block() : base(nameof(Block)) => RegisterComponents();

        public override Tensor forward(Tensor x) => x + experts.call(attention.call(x));
    }

    private sealed class Attention : nn.Module<Tensor, Tensor>
    {
        private readonly TorchSharp.Modules.Linear query = nn.Linear(8, 8, hasBias: false);
        private readonly TorchSharp.Modules.Linear value = nn.Linear(8, 8);

        public Attention() : base(nameof(Attention)) => RegisterComponents();

        public override Tensor forward(Tensor x) => query.call(x).sigmoid() * value.call(x);
    }
}
