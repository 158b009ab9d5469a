using System.Text.Json.Nodes;
using Peft.Checkpoints;
using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests;

/// <summary>Every supported case of the oracle, a test per group of tensors.</summary>
public class CaseTests
{
    public static TheoryData<string> Cases => Oracle.Supported();

    public static TheoryData<string> Differentiable => Oracle.Supported(each => Has(each, "grad."));

    public static TheoryData<string> Encoded => Oracle.Supported(each => each.Method != "XLORA" && Has(each, "encoder."));

    public static TheoryData<string> Prompted => Oracle.Supported(each => each.Task == "causal_lm" && PromptMethods.Contains(each.Method));

    public static TheoryData<string> Merging => Oracle.Supported(each => each.Json.GetProperty("supports").GetProperty("merge").GetBoolean());

    public static TheoryData<string> Training => Oracle.Supported(each => each.Json.GetProperty("supports").GetProperty("train").GetBoolean());

    public static TheoryData<string> Generating => Oracle.Supported(each => Has(each, "adapted_generated_ids"));

    public static TheoryData<string> Optimizing => Oracle.Supported(each => each.Json.TryGetProperty("loraplus", out _));

    public static TheoryData<string> Initialising => Oracle.Supported(each => Has(each, "residual.") && !Truncates(each));

    public static TheoryData<string> Truncating => Oracle.Supported(each => Has(each, "residual.") && Truncates(each));

    [Theory, MemberData(nameof(Cases))]
    public void Logits_without_adapters_are_the_base_models(string id)
    {
        using var @case = new AdaptedCase(id);
        using var off = @case.Peft.WithoutAdapters();
        @case.Expected.ShouldEqual("base_logits", @case.Logits());
    }

    [Theory, MemberData(nameof(Cases))]
    public void Logits_with_the_adapter(string id)
    {
        using var @case = new AdaptedCase(id);
        @case.Expected.ShouldEqual("adapted_logits", @case.Logits());
    }

    // Hugging Face PEFT counts the padding between virtual tokens and an input as positions: a departure, see docs/architecture.md.
    [Theory, MemberData(nameof(Prompted))]
    public void A_row_padded_on_the_left_computes_what_it_does_padded_on_the_right(string id)
    {
        using var @case = new AdaptedCase(id);
        using var _ = no_grad();
        var (ids, mask, expected) = (@case.Expected.Read("input_ids"), @case.Expected.Read("attention_mask"), @case.Expected.Read("adapted_logits"));
        var (length, real) = (ids.shape[1], mask[1].sum().item<long>());
        real.ShouldBeLessThan(length);
        var before = expected.shape[1] - length;   // virtual tokens
        var input = new ModelInput { InputIds = OnTheLeft(ids), AttentionMask = OnTheLeft(mask) };
        var actual = @case.Model.forward(input);
        actual[0].allclose(expected[0], 1e-3, 2e-4).ShouldBeTrue();
        actual[1].narrow(0, before + length - real, real).allclose(expected[1].narrow(0, before, real), 1e-3, 2e-4).ShouldBeTrue();

        Tensor OnTheLeft(Tensor each) => stack([each[0], each[1].roll(length - real), each[2]]);
    }

    [Theory, MemberData(nameof(Cases))]
    public void Loss(string id)
    {
        using var @case = new AdaptedCase(id);
        @case.Expected.ShouldEqual("loss", @case.Loss().reshape(1));
    }

    [Theory, MemberData(nameof(Encoded))]
    public void Logits_and_the_saved_form_from_the_encoder_of_a_prompt(string id)
    {
        using var @case = new AdaptedCase(id, trains: true);
        @case.Expected.ShouldEqual("adapted_logits", @case.Logits());
        using var file = SafetensorsFile.Open(Path.Combine(@case.Info.Adapter, AdapterCheckpoint.FileName));
        @case.Find("prompt_embeddings")!.allclose(file.Read("prompt_embeddings"), 1e-4, 1e-5).ShouldBeTrue();
    }

    [Theory, MemberData(nameof(Differentiable))]
    public void Gradients(string id)
    {
        using var @case = new AdaptedCase(id, trains: true);
        @case.Loss().backward();
        @case.Expected.ShouldEqual("grad.", key => @case.Gradient(key));
    }

    [Theory, MemberData(nameof(Merging))]
    public void Logits_of_the_merged_model_and_the_base_model_after_unmerging(string id)
    {
        using var @case = new AdaptedCase(id);
        var before = @case.Model.state_dict().ToDictionary(pair => pair.Key, pair => pair.Value.clone());
        @case.Peft.Merge(safe: true);
        @case.Expected.ShouldEqual("merged_logits", @case.Logits());
        @case.Peft.Unmerge();
        @case.Model.state_dict().Where(pair => !pair.Value.bytes.SequenceEqual(before[pair.Key].bytes)).Select(pair => pair.Key).ShouldBeEmpty();
        @case.Peft.MergeAndUnload();
        @case.Expected.ShouldEqual("merged_logits", @case.Logits());
    }

    [Theory, MemberData(nameof(Training))]
    public void Losses_and_tensors_of_five_training_steps(string id)
    {
        using var @case = new AdaptedCase(id, trains: true);
        var settings = @case.Info.Json.GetProperty("training");
        var losses = @case.Train(settings.GetProperty("steps").GetInt32(), new AdamWOptions { WeightDecay = settings.GetProperty("weight_decay").GetDouble() }, settings.GetProperty("lr").GetDouble());
        @case.Expected.ShouldEqual("loss_trajectory", losses);
        @case.Expected.ShouldEqual("trained.", @case.Find);
        @case.Expected.ShouldEqual("trained_logits", @case.Logits());
    }

    [Theory, MemberData(nameof(Optimizing))]
    public void Training_with_LoRA_plus(string id)
    {
        using var @case = new AdaptedCase(id);
        var settings = @case.Info.Json.GetProperty("loraplus");
        var groups = ParameterGroups.LoraPlus(settings.GetProperty("loraplus_lr_ratio").GetDouble(), weightDecay: settings.GetProperty("loraplus_weight_decay").GetDouble());
        var losses = @case.Train(settings.GetProperty("steps").GetInt32(), new AdamWOptions { Groups = groups }, settings.GetProperty("lr").GetDouble());
        @case.Expected.ShouldEqual("loraplus.loss_trajectory", losses);
        @case.Expected.ShouldEqual("loraplus.trained.", @case.Find);
    }

    [Theory, MemberData(nameof(Optimizing))]
    public void Training_with_LoRA_FA(string id)
    {
        using var @case = new AdaptedCase(id);
        var settings = @case.Info.Json.GetProperty("lorafa");
        var transform = @case.Peft.FreezeA();
        var losses = @case.Train(settings.GetProperty("steps").GetInt32(), LoraFa.Optimizer with { WeightDecay = settings.GetProperty("weight_decay").GetDouble() },
            settings.GetProperty("lr").GetDouble(), () => transform(@case.Peft.Trainables));
        @case.Expected.ShouldEqual("lorafa.loss_trajectory", losses);
        @case.Expected.ShouldEqual("lorafa.trained.", @case.Find);
    }

    // Only what follows from the weight has one right start; what is drawn at random is tested for its properties elsewhere.
    [Theory, MemberData(nameof(Initialising))]
    public void The_start_of_an_adapter_that_begins_as_a_part_of_the_weight(string id)
    {
        using var expected = new Expected(Oracle.Case(id).Folder);
        using var scope = NewDisposeScope();
        using var model = AdaptedCase.LoadBase(Oracle.Case(id).Base);
        var options = (LoraOptions)AdapterConfig.Read(Oracle.Case(id).Adapter);
        using var peft = model.ApplyAdapter(options);
        var state = peft.StateOf(peft.Find(PeftModel.DefaultName));
        expected.ShouldEqual("init.", key => key.Contains("lora_", StringComparison.Ordinal) ? AdaptedCase.WithSignsOf(expected.Read("init." + key), state[key]) : state[key]);

        // Hugging Face takes the start out of the base weight; here the base weight stays, and the start is subtracted.
        expected.ShouldEqual("residual.", name =>
        {
            var path = name[..^".weight".Length];
            var weight = model.get_parameter(name)!;
            var target = peft.Tree.Targets.Single(each => each.Path == path);
            var product = state[$"base_model.model.{path}.lora_B.weight"].mm(state[$"base_model.model.{path}.lora_A.weight"]);
            return weight - target.ToStored(product) * (options.Alpha / options.Rank);
        });
        expected.ShouldEqual("base_logits", AdaptedCase.Logits(model, expected));
    }

    // B starts as zero: what the adapter makes of the weight is what it leaves of it.
    [Theory, MemberData(nameof(Truncating))]
    public void The_weight_that_an_adapter_leaves_which_takes_a_part_out_of_it(string id)
    {
        using var expected = new Expected(Oracle.Case(id).Folder);
        using var scope = NewDisposeScope();
        using var model = AdaptedCase.LoadBase(Oracle.Case(id).Base);
        using var peft = model.ApplyAdapter(AdapterConfig.Read(Oracle.Case(id).Adapter));
        peft.Merge();
        expected.ShouldEqual("residual.", name => model.get_parameter(name));
    }

    [Theory, MemberData(nameof(Generating))]
    public void Greedy_generation_with_the_adapter(string id)
    {
        using var @case = new AdaptedCase(id);
        var expected = Ids(@case.Expected.Read("adapted_generated_ids"));   // the prompt, or the start token, and 12 new tokens
        using var task = @case.Expected.Has("task_ids") ? @case.Peft.Tasks((int)@case.Expected.Read("task_ids")[0].item<long>()) : null;
        var prompt = @case.Model is Seq2SeqLM ? Ids(@case.Expected.Read("input_ids")[0]) : expected[..^12];
        var added = ((LanguageModel)@case.Model).Generate(prompt, new GenerationOptions { MaxNewTokens = 12, MinNewTokens = 12 });
        added.ShouldBe(expected[^12..]);
    }

    [Theory, MemberData(nameof(Cases))]
    public void Files_come_back_byte_for_byte(string id)
    {
        using var @case = new AdaptedCase(id);
        using var folder = new TemporaryFolder();
        @case.Peft.SaveAdapter(folder);
        TakeOut(@case.Unsaved, folder[AdapterCheckpoint.FileName]);
        File.ReadAllBytes(folder[AdapterCheckpoint.FileName]).ShouldBe(File.ReadAllBytes(Path.Combine(@case.Info.Adapter, AdapterCheckpoint.FileName)));
        File.ReadAllText(folder[AdapterConfig.FileName]).ShouldBe(File.ReadAllText(Path.Combine(@case.Info.Adapter, AdapterConfig.FileName)));
    }

    // What this library saves and Hugging Face PEFT does not is compared, and the rest of the file byte for byte.
    private static void TakeOut(IReadOnlyDictionary<string, Tensor> unsaved, string path)
    {
        if (unsaved.Count == 0) return;
        Dictionary<string, Tensor> left;
        using (var file = SafetensorsFile.Open(path))
        {
            unsaved.Where(pair => !file.Read(pair.Key).bytes.SequenceEqual(pair.Value.bytes)).Select(pair => pair.Key).ShouldBeEmpty();
            left = file.Keys.Except(unsaved.Keys).ToDictionary(key => key, key => file.Read(key));
        }
        SafetensorsWriter.Write(path, left, new Dictionary<string, string> { ["format"] = "pt" });
    }

    [Theory, MemberData(nameof(Cases))]
    public void A_fresh_adapter_writes_the_same_configuration_and_draws_the_same_from_its_seed(string id)
    {
        using var scope = NewDisposeScope();
        var @case = Oracle.Case(id);
        using var model = AdaptedCase.LoadBase(@case.Base);
        var options = AdapterConfig.Read(@case.Adapter);
        using var peft = model.ApplyAdapter(options);
        using var folder = new TemporaryFolder();
        peft.SaveAdapter(folder);
        if (!@case.Variant.Contains("all-linear", StringComparison.Ordinal))
            File.ReadAllText(folder[AdapterConfig.FileName]).ShouldBe(File.ReadAllText(Path.Combine(@case.Adapter, AdapterConfig.FileName)));
        using var theirs = SafetensorsFile.Open(Path.Combine(@case.Adapter, AdapterCheckpoint.FileName));
        var state = peft.StateOf(peft.Find(PeftModel.DefaultName));
        theirs.Tensors.Keys.Where(key => IsSeeded(key, options) && !state[key].isclose(theirs.Read(key), 1e-6, 1e-6).all().item<bool>()).ShouldBeEmpty();
    }

    [Fact]
    public void Every_case_is_supported_or_named_by_the_list_of_what_is_not()
    {
        Oracle.Cases.ShouldNotBeEmpty();
        var supported = Oracle.Cases.Count(each => Unsupported.Reason(each) is null);
        supported.ShouldBeGreaterThan(0);
        Oracle.Cases.Where(each => Unsupported.Reason(each) is null).Select(each => each.Method).Distinct().ShouldBeSubsetOf(AdapterMethods.Known.Keys);
    }

    private static readonly string[] PromptMethods = ["PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING", "MULTITASK_PROMPT_TUNING", "CPT", "CARTRIDGE"];

    private static bool Truncates(OracleCase each) => AdapterConfig.Read(each.Adapter) is LoraOptions { Kasa: not null };

    private static bool IsSeeded(string key, AdapterOptions options)
        => SeededNames.Any(name => key.Contains(name, StringComparison.Ordinal)) || (options is ShiraOptions { Seed: not null } && key.EndsWith("shira_indices", StringComparison.Ordinal));

    private static readonly string[] SeededNames = ["vera_A", "vera_B", "randlora_A", "randlora_B", "tinylora_P", "unilora_indices", "unilora_scales", "frod_s_indices"];

    private static int[] Ids(Tensor ids) => [.. ids.contiguous().data<long>().Select(id => (int)id)];

    private static bool Has(OracleCase each, string name)
    {
        using var file = SafetensorsFile.Open(Path.Combine(each.Folder, "io.safetensors"));
        return file.Tensors.Keys.Any(key => key.StartsWith(name, StringComparison.Ordinal));
    }
}
