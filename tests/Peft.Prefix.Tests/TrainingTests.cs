using Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Prefix.Tests;

/// <summary>Virtual tokens in training, on disk, and where they make no sense.</summary>
public sealed class TrainingTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly CausalLM model = Tiny.Llama();
    private readonly TemporaryFolder folder = new();

    public static TheoryData<string> Methods => ["PROMPT_TUNING", "P_TUNING", "LSTM", "PREFIX_TUNING", "PROJECTION", "CARTRIDGE", "ADAPTION_PROMPT", "CPT", "MULTITASK_PROMPT_TUNING"];

    public void Dispose()
    {
        model.Dispose();
        scope.Dispose();
        folder.Dispose();
    }

    private static AdapterOptions Options(string method) => method switch
    {
        "PROMPT_TUNING" => new PromptTuningOptions { VirtualTokens = 4, Initialization = PromptInitialization.SampleVocabulary },
        "P_TUNING" => new PTuningOptions { VirtualTokens = 4, EncoderSize = 16 },
        "LSTM" => new PTuningOptions { VirtualTokens = 4, EncoderSize = 16, Encoder = PromptEncoder.Lstm },
        "PREFIX_TUNING" => new PrefixTuningOptions { VirtualTokens = 4 },
        "PROJECTION" => new PrefixTuningOptions { VirtualTokens = 4, Projection = true },
        "CARTRIDGE" => new CartridgeOptions { VirtualTokens = 4, FrozenTokens = 2 },
        "ADAPTION_PROMPT" => new AdaptionPromptOptions { Length = 4, Layers = 2 },
        "CPT" => CptOptions.FromExamples([("one", "1"), ("two", "2")], Tiny.Tokenizer) with { InputRadius = 8, FormatRadius = 8 },
        _ => new MultitaskPromptOptions { VirtualTokens = 4, TaskCount = 2 },
    };

    [Theory, MemberData(nameof(Methods))]
    public void Training_lowers_the_loss_and_leaves_the_model_alone_and_the_file_brings_it_back(string method)
    {
        var before = model.Bits();
        var batch = new Batch { InputIds = Tiny.Ids(4, 12), Labels = Tiny.Ids(4, 12) };
        Tensor logits;
        using (var peft = model.ApplyAdapter(Options(method)))
        {
            using var task = peft.Tasks(1);
            var first = Loss(batch);
            using var parameters = new FlatParameters(peft.Trainables);
            using var optimizer = new FlatAdamW(parameters, 0.05);
            for (var step = 0; step < 15; step++)
            {
                using var each = NewDisposeScope();
                parameters.ZeroGradients();
                model.Loss(batch).backward();
                parameters.BindGradients();
                optimizer.Step();
            }
            Loss(batch).ShouldBeLessThan(first - 0.05f);
            model.ShouldHaveBits(before);
            peft.SaveAdapter(folder);
            using var _ = no_grad();
            logits = model.forward(batch.InputIds);
        }
        using var loaded = model.ApplyAdapter(folder, trainable: true);
        using var again = loaded.Tasks(1);
        using var none = no_grad();
        model.forward(batch.InputIds).Difference(logits).ShouldBeLessThan(1e-4);
        loaded.Trainables.ShouldNotBeEmpty();

        float Loss(Batch of)
        {
            using var _ = no_grad();
            return model.Loss(of).item<float>();
        }
    }

    [Fact]
    public void Layers_that_run_again_in_the_backward_pass_give_the_same_gradients()
    {
        var batch = new Batch { InputIds = Tiny.Ids(2, 9), Labels = Tiny.Ids(2, 9) };
        using var peft = model.ApplyPromptTuning(4);
        peft.Add("attention", Options("ADAPTION_PROMPT"));
        peft.Activate("default", "attention");
        var plain = Gradients();
        model.CheckpointActivations = true;
        var again = Gradients();
        foreach (var (a, b) in plain.Zip(again)) a.Difference(b).ShouldBeLessThan(1e-5);

        List<Tensor> Gradients()
        {
            foreach (var each in peft.Trainables) each.Value.grad = null;
            model.Loss(batch).backward();
            return [.. peft.Trainables.Select(each => each.Value.grad!.clone())];
        }
    }

    [Fact]
    public void Frozen_tokens_of_a_cartridge_stay_and_others_move()
    {
        using var peft = model.ApplyCartridge("A text to stand for.", Tiny.Tokenizer, virtualTokens: 5);
        var start = peft.StateOf(peft.Find("default"))["prompt_embeddings"].clone();
        using var parameters = new FlatParameters(peft.Trainables);
        using var optimizer = new FlatAdamW(parameters, 0.05, new AdamWOptions { WeightDecay = 0.1 });
        parameters.ZeroGradients();
        model.Loss(new Batch { InputIds = Tiny.Ids(2, 8), Labels = Tiny.Ids(2, 8) }).backward();
        parameters.BindGradients();
        optimizer.Step();
        var moved = peft.StateOf(peft.Find("default"))["prompt_embeddings"].ne(start).any(1).data<bool>().ToArray();
        moved.ShouldBe([false, true, true, true, true]);
    }

    [Fact]
    public void Composed_cartridges_stand_one_after_another()
    {
        using var _ = no_grad();
        var ids = Tiny.Ids(1, 5);
        using (var peft = model.ApplyCartridge("First text.", Tiny.Tokenizer))
        {
            peft.Add("second", new CartridgeOptions { VirtualTokens = 3, InitialText = "Second", Tokenizer = Tiny.Tokenizer });
            peft.SaveAdapter(folder, "default");
            peft.SaveAdapter(folder, "second");
        }
        CartridgeExtensions.Compose([folder, folder["second"]], folder["both"]);
        using var both = model.ApplyAdapter(folder["both"]);
        var joined = model.forward(ids);
        both.Find("default").Options.ShouldBeOfType<CartridgeOptions>().VirtualTokens.ShouldBe(15);
        both.LoadAdapter(folder, "a").LoadAdapter(folder["second"], "b");
        both.Activate("a", "b");
        model.forward(ids).Difference(joined).ShouldBeLessThan(1e-4);
    }

    [Fact]
    public void A_multitask_prompt_starts_from_a_trained_one()
    {
        using (var source = model.ApplyMultitaskPrompt(tasks: 3, virtualTokens: 4)) source.SaveAdapter(folder);
        var file = folder[AdapterCheckpoint.FileName];
        using var saved = Peft.Checkpoints.SafetensorsFile.Open(file);
        Start(MultitaskInitialization.OneTask, 2)["prefix_task_rows"].equal(saved.Read("prefix_task_rows").narrow(0, 2, 1)).all().item<bool>().ShouldBeTrue();
        Start(MultitaskInitialization.AverageOfTasks, 0)["prefix_task_cols"].allclose(saved.Read("prefix_task_cols").mean([0], keepdim: true)).ShouldBeTrue();
        Start(MultitaskInitialization.SharedOnly, 0)["prompt_embeddings"].equal(saved.Read("prompt_embeddings")).all().item<bool>().ShouldBeTrue();
        Should.Throw<AdapterOptionsException>(() => Start(MultitaskInitialization.OneTask, 3)).Message.ShouldContain("has 3 tasks");

        Dictionary<string, Tensor> Start(MultitaskInitialization start, int task)
        {
            using var peft = model.ApplyAdapter(new MultitaskPromptOptions { VirtualTokens = 4, Initialization = start, StartTask = task, InitialStateFile = file });
            return peft.StateOf(peft.Find("default")).ToDictionary(pair => pair.Key, pair => pair.Value.clone());
        }
    }

    [Fact]
    public void Examples_are_marked_by_what_their_tokens_are()
    {
        var options = CptOptions.FromExamples([("ab", "c"), ("d", "ef")], Tiny.Tokenizer, beforeInput: ">", beforeAnswer: "=");
        options.TokenTypes.ShouldBe([1, 1, 2, 2, 3, 4, 4, 5, 6, 7, 8, 8, 8]);   // each answer with the line's end, the first text with its special token
        options.TokenIds!.Count.ShouldBe(13);
    }

    [Fact]
    public void What_cannot_be_is_refused_by_name()
    {
        using var plain = nn.Linear(4, 4);
        Should.Throw<AdapterOptionsException>(() => plain.ApplyAdapter(new PrefixTuningOptions { VirtualTokens = 3 })).Message.ShouldContain("pretrained transformer");
        Should.Throw<AdapterOptionsException>(() => model.ApplyPrefixTuning(0)).Message.ShouldContain("VirtualTokens must be at least 1, but was 0");
        Should.Throw<AdapterOptionsException>(() => model.ApplyAdapter(new PromptTuningOptions { VirtualTokens = 3, TokenSize = 99 })).Message.ShouldContain("token_dim is 99");
        Should.Throw<AdapterOptionsException>(() => model.ApplyAdapter(new PromptTuningOptions { VirtualTokens = 3, Initialization = PromptInitialization.Text })).Message.ShouldContain("InitialText");
        Should.Throw<AdapterOptionsException>(() => model.ApplyPrefixTuning("Hi", Tiny.Tokenizer, 9)).Message.ShouldContain("3 tokens");
        Should.Throw<AdapterOptionsException>(() => model.ApplyAdaptionPrompt(4, layers: 4)).Message.ShouldContain("has 3 modules");
        using var peft = model.ApplyPrefixTuning(3);
        Should.Throw<NotMergeableException>(() => peft.Merge()).Message.ShouldContain("PREFIX_TUNING");
        peft.Add("other", new LoraOptions { Rank = 2 });
        Should.Throw<ArgumentException>(() => peft.Activate(Composition.Parallel("default", "other"))).Message.ShouldContain("virtual tokens");
        Should.Throw<ArgumentException>(() => model.forward(new ModelInput { InputIds = Tiny.Ids(1, 6), PackedLengths = [2, 4] })).Message.ShouldContain("packed");
    }
}
