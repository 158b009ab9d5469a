using System.Text.Json.Nodes;

namespace Peft.Cli.Tests;

/// <summary>The commands that use an adapter, on one that was trained once.</summary>
public sealed class InspectionTests(TrainedAdapters trained) : IClassFixture<TrainedAdapters>, IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task Eval_measures_what_training_has_improved()
    {
        var before = await Tool.JsonAsync("eval", "-m", Tool.Model, "-d", Tool.Text, "--block-size", "64");
        var after = await Tool.JsonAsync("eval", "-a", trained.First, "-d", Tool.Text, "--block-size", "64");
        ((double)after["loss"]!).ShouldBeLessThan((double)before["loss"]!);
        ((double)after["perplexity"]!).ShouldBe(Math.Exp((double)after["loss"]!), 1e-9);
    }

    [Fact]
    public async Task Generate_continues_prompts_of_the_command_line_and_of_the_input()
    {
        var run = await Tool.RunAsync("generate", "Once upon a time", "-m", Tool.Model, "-n", "8", "-t", "0");
        run.Output.ShouldStartWith("Once upon a time, there was");
        var piped = await Tool.InteractAsync("Once upon a time\n", null, "generate", "-m", Tool.Model, "-n", "8", "-t", "0");
        piped.Output.ShouldBe(run.Output);
        var json = await Tool.JsonAsync("generate", "Once upon a time", "One day", "-m", Tool.Model, "-n", "8", "-t", "0");
        json.AsArray().Count.ShouldBe(2);
        ("Once upon a time" + (string)json[0]!["text"]! + "\n").ShouldBe(run.Output);
        var seeded = await Tool.JsonAsync("generate", "Once upon a time", "-a", trained.First, "-n", "8", "--seed", "7");
        (await Tool.JsonAsync("generate", "Once upon a time", "-a", trained.First, "-n", "8", "--seed", "7")).ToJsonString().ShouldBe(seeded.ToJsonString());
        var beams = await Tool.JsonAsync("generate", "Once upon a time", "-m", Tool.Model, "-n", "8", "--generation", "NumBeams=2");
        ((string)beams[0]!["text"]!).ShouldNotBeEmpty();
        var wrong = await Tool.RunAsync("generate", "Hi", "-m", Tool.Model, "--top-p", "2");
        (wrong.Code, wrong.Output).ShouldBe((1, ""));
        wrong.Error.ShouldContain("--top-p must be above 0 and at most 1");
    }

    [Fact]
    public async Task Chat_streams_answers_and_switches_adapters()
    {
        const string Input = "Hello\n/adapters\n/adapter second\nHello\n/adapter nobody\n/adapter base\n/reset\nHello\n/what\n/system Be brief.\n/help\n/exit\nnever\n";
        string[] args = ["chat", "-a", $"first={trained.First}", "-a", $"second={trained.Second}", "--chat-template", Tool.Data("chat.jinja"), "-n", "12", "-t", "0"];
        var json = await Tool.InteractAsync(Input, null, [.. args, "--json"]);
        json.Code.ShouldBe(0, json.Error);
        var answers = json.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonNode.Parse(line)!).ToList();
        answers.Select(answer => (string?)answer["adapter"]).ShouldBe([null, "second", PeftModel.Base]);
        json.Error.ShouldContain("* first  LORA");
        json.Error.ShouldContain("There is no adapter 'nobody'. Adapters: first, second, base.");
        json.Error.ShouldContain("There is no command /what");
        json.Error.ShouldContain("/adapter NAME");
        var text = await Tool.InteractAsync(Input, null, args);
        text.Output.ShouldContain("> " + (string)answers[0]["content"]!);
    }

    [Fact]
    public async Task Chat_needs_a_template()
    {
        var run = await Tool.InteractAsync("Hello\n", null, "chat", "-m", Tool.Model);
        run.Code.ShouldBe(1);
        run.Error.ShouldContain("--chat-template");
    }

    [Fact]
    public async Task Merge_gives_a_plain_model_that_computes_the_same()
    {
        var written = await Tool.JsonAsync("merge", "-a", trained.First, "-o", folder["merged"]);
        written["files"]!.AsArray().Select(file => (string)file!["name"]!).ShouldContain("model.safetensors");
        var adapter = await Tool.JsonAsync("eval", "-a", trained.First, "-d", Tool.Text, "--block-size", "64");
        var merged = await Tool.JsonAsync("eval", "-m", folder["merged"], "-d", Tool.Text, "--block-size", "64");
        ((double)merged["loss"]!).ShouldBe((double)adapter["loss"]!, 1e-5);
        (await Tool.RunAsync("merge", "-a", trained.First, "-o", folder["merged"])).Error.ShouldContain("not empty");
        (await Tool.RunAsync("merge", "-m", Tool.Model, "-o", folder["other"])).Error.ShouldContain("nothing to merge");
    }

    [Theory]
    [InlineData("lora", "adapter_model.safetensors")]
    [InlineData("adapter", "adapter_model.safetensors")]
    [InlineData("merged", "model.safetensors")]
    [InlineData("gguf", "model.gguf", "--weights", "Q8_0")]
    [InlineData("gguf_lora", "adapter.gguf")]
    [InlineData("vllm", "adapter_model.safetensors")]
    [InlineData("onnx", "model.onnx")]
    [InlineData("onnx_adapter", "adapter.onnx_adapter")]
    [InlineData("genai", "genai_config.json", "--dtype", "float16")]
    public async Task Export_writes_each_format(string format, string file, params string[] more)
    {
        var written = await Tool.JsonAsync(["export", "-a", trained.First, "--format", format, "-o", folder["out"], .. more]);
        written["files"]!.AsArray().Select(each => (string)each!["name"]!).ShouldContain(file);
        File.Exists(folder[$"out/{file}"]).ShouldBeTrue();
    }

    [Theory]
    [InlineData("merged", "model.safetensors")]
    [InlineData("gguf", "model.gguf")]
    [InlineData("onnx", "model.onnx")]
    [InlineData("genai", "genai_config.json")]
    public async Task A_model_without_an_adapter_is_exported_too(string format, string file)
    {
        await Tool.JsonAsync("export", "-m", Tool.Model, "--format", format, "-o", folder["out"]);
        File.Exists(folder[$"out/{file}"]).ShouldBeTrue();
        if (format == "gguf") ((int)(await Tool.JsonAsync("info", folder["out/model.gguf"]))["layers"]!).ShouldBe(5);
    }

    [Fact]
    public async Task Export_says_what_a_target_cannot_take()
    {
        (await Tool.RunAsync("export", "-m", Tool.Model, "--format", "lora", "-o", folder["out"])).Error.ShouldContain("name an adapter by --adapter");
        ((bool)(await Tool.JsonAsync("export", "-a", trained.First, "--format", "vllm", "--check"))["ok"]!).ShouldBeTrue();
        var check = await Tool.RunAsync("export", "-a", trained.First, "--format", "vllm", "--max-rank", "2", "--check", "--json");
        check.Code.ShouldBe(1);
        var problem = (string)JsonNode.Parse(check.Output)!["problems"]![0]!;
        var refused = await Tool.RunAsync("export", "-a", trained.First, "--format", "vllm", "--max-rank", "2", "-o", folder["out"]);
        refused.Code.ShouldBe(1);
        refused.Error.ShouldContain(problem);
        Directory.Exists(folder["out"]).ShouldBeFalse();
        (await Tool.RunAsync("export", "-a", trained.First)).Error.ShouldContain("--output");
    }

    [Fact]
    public async Task A_plain_lora_is_only_written_of_what_has_nothing_else()
    {
        ((bool)(await Tool.JsonAsync("export", "-a", trained.First, "--format", "lora", "--check"))["ok"]!).ShouldBeTrue();
        (await Tool.RunAsync(Tool.Train(folder["dora"], "--set", "use_dora=true"))).Code.ShouldBe(0);
        var check = await Tool.RunAsync("export", "-a", folder["dora"], "--format", "lora", "--check", "--json");
        (check.Code, (string)JsonNode.Parse(check.Output)!["problems"]![0]!).ShouldBe((1, "DoRA is not supported by readers of plain LoRA. Merge the adapter (`peft merge`) and use the model."));
        foreach (var args in new[] { new[] { "export", "-a", folder["dora"], "--format", "lora" }, ["convert", folder["dora"], "--to", "lora"] })
        {
            var refused = await Tool.RunAsync([.. args, "-o", folder["out"]]);
            (refused.Code, Directory.Exists(folder["out"])).ShouldBe((1, false));
            refused.Error.ShouldContain("DoRA is not supported by readers of plain LoRA");
        }
        var rank = await Tool.JsonAsync("convert", folder["dora"], "--to", "lora", "--rank", "4", "-o", folder["rank"]);
        rank["facts"]!.AsArray().ShouldAllBe(module => (int)module!["rank"]! == 4 && (double)module["error"]! < 1);
        (await Tool.RunAsync("convert", folder["dora"], "--to", "lora", "--energy", "0.5", "-o", folder["energy"])).Output.ShouldContain("largest error");
        ((bool)(await Tool.JsonAsync("export", "-a", folder["rank"], "--format", "lora", "--check"))["ok"]!).ShouldBeTrue();
        (await Tool.RunAsync("convert", folder["dora"], "--rank", "4", "-o", folder["none"])).Error.ShouldContain("--rank is of the LoRA that approximates an adapter: use --to lora.");
    }

    [Fact]
    public async Task Quantize_writes_a_smaller_model_by_rounding_and_by_samples()
    {
        await Tool.JsonAsync("quantize", "-m", Tool.Model, "--kind", "nf4", "-o", folder["nf4"]);
        new FileInfo(folder["nf4/model.safetensors"]).Length.ShouldBeLessThan(new FileInfo(Path.Combine(Tool.Model, "model.safetensors")).Length / 2);
        ((double)(await Tool.JsonAsync("eval", "-m", folder["nf4"], "-d", Tool.Text, "--block-size", "64"))["loss"]!).ShouldBeLessThan(7);
        var gptq = await Tool.JsonAsync("quantize", "-m", Tool.Model, "--kind", "gptq", "--group-size", "32", "-d", Tool.Text, "--block-size", "64", "--samples", "8", "--set", "SkipModules=lm_head,gate_proj,up_proj,down_proj", "-o", folder["gptq"]);
        ((double)gptq["facts"]!["perplexity_after"]!).ShouldBeGreaterThan(1);
        (await Tool.RunAsync("quantize", "-m", Tool.Model, "--kind", "gptq", "-o", folder["none"])).Error.ShouldContain("--data");
        foreach (var kind in new[] { "int3", "fp8", "blockwise" })   // the last two have no form in transformers' checkpoints
            (await Tool.RunAsync("quantize", "-m", Tool.Model, "--kind", kind, "-o", folder["none"])).Error.ShouldContain($"--kind must be nf4, nf4_double, fp4, fp4_double, llm_int8, gptq or awq, but was '{kind}'.");
        var unused = await Tool.RunAsync("quantize", "-m", Tool.Model, "--kind", "nf4", "-d", Tool.Text, "-o", folder["none"]);
        (unused.Code, Directory.Exists(folder["none"])).ShouldBe((1, false));
        unused.Error.ShouldContain("--data is for gptq and awq, but --kind is nf4");
    }

    [Theory]
    [InlineData("nf4_double")]
    [InlineData("fp4")]
    [InlineData("fp4_double")]
    [InlineData("llm_int8")]
    public async Task Every_kind_that_can_be_chosen_is_written_and_read(string kind)
    {
        await Tool.JsonAsync("quantize", "-m", Tool.Model, "--kind", kind, "-o", folder["out"]);
        ((double)(await Tool.JsonAsync("eval", "-m", folder["out"], "-d", Tool.Text, "--block-size", "64"))["loss"]!).ShouldBeLessThan(7);
    }

    [Fact]
    public async Task One_adapter_is_used_where_several_would_be_ambiguous()
    {
        foreach (var command in new[] { new[] { "eval", "-d", Tool.Text }, ["generate", "Once"], ["predict", "Once"], ["export", "-o", folder["none"]] })
        {
            var run = await Tool.RunAsync([.. command, "-a", trained.First, "-a", trained.Second]);
            run.Code.ShouldBe(1);
            run.Error.ShouldContain($"peft {command[0]} takes one adapter, but was given 2");
        }
    }

    [Fact]
    public async Task A_model_without_an_adapter_is_checked_for_export()
    {
        ((bool)(await Tool.JsonAsync("export", "-m", Tool.Model, "--format", "gguf", "--check"))["ok"]!).ShouldBeTrue();
        (await Tool.RunAsync("export", "-m", Tool.Model, "--format", "nope", "--check")).Error.ShouldContain("--format must be adapter, lora, vllm, merged, gguf, gguf_lora, onnx, onnx_adapter or genai, but was 'nope'.");
    }

    [Fact]
    public async Task A_folder_that_does_not_exist_is_named()
    {
        var run = await Tool.RunAsync("info", "nobody/nothing", "--offline");
        run.Code.ShouldBe(1);
        run.Error.ShouldContain("There is no folder 'nobody/nothing'");
    }

    [Fact]
    public async Task Info_describes_an_adapter_its_drift_and_a_model()
    {
        var plain = await Tool.JsonAsync("info", trained.First);
        ((string)plain["method"]!).ShouldBe("LORA");
        ((long)plain["parameters"]!).ShouldBe(4480);
        plain["tensors"]!.AsArray().Count.ShouldBe(20);
        plain["layers"].ShouldBeNull();
        var drift = await Tool.JsonAsync("info", trained.First, "--drift");
        drift["layers"]!.AsArray().Count.ShouldBe(10);
        drift["layers"]!.AsArray().ShouldAllBe(layer => (double)layer!["drift"]! > 0 && layer["singular_values"]!.AsArray().Count > 0);
        var text = (await Tool.RunAsync("info", trained.First, "--drift")).Output;
        text.ShouldContain("model.layers.0.self_attn.q_proj");
        ((int)(await Tool.JsonAsync("info", Tool.Model))["layers"]!).ShouldBe(5);
        foreach (var (fields, parameters) in new[]
        {
            ("\"model_type\": \"bert\", \"architectures\": [\"BertForMaskedLM\"]", 7540L), ("\"model_type\": \"bert\", \"architectures\": [\"BertForTokenClassification\"], \"num_labels\": 3", 7187L),
            ("\"model_type\": \"t5\", \"d_model\": 16, \"d_kv\": 8, \"d_ff\": 32, \"num_heads\": 2, \"num_layers\": 2", 12160L),
        })
        {
            folder.Write("config.json", $"{{{fields}, \"vocab_size\": 100, \"hidden_size\": 16, \"num_hidden_layers\": 2, \"num_attention_heads\": 2, \"intermediate_size\": 32, \"max_position_embeddings\": 64}}");
            var model = await Tool.JsonAsync("info", folder.Path);
            ((int)model["layers"]!, (long)model["parameters"]!).ShouldBe((2, parameters), fields);
        }
    }

    [Fact]
    public async Task Diff_finds_what_two_adapters_have_different()
    {
        ((bool)(await Tool.JsonAsync("diff", trained.First, trained.First))["equal"]!).ShouldBeTrue();
        var different = await Tool.JsonAsync("diff", trained.First, trained.Second);
        ((bool)different["equal"]!).ShouldBeFalse();
        different["settings"]!.AsArray().Select(setting => (string)setting!["name"]!).ShouldBe(["lora_alpha"]);
        different["tensors"]!.AsArray().ShouldContain(tensor => (double)tensor!["relative"]! > 0 && (double)tensor["cosine"]! < 1);
        (await Tool.RunAsync("diff", trained.First, trained.Second)).Output.ShouldContain("lora_alpha");
    }

    [Fact]
    public async Task Combine_makes_an_adapter_of_several()
    {
        await Tool.JsonAsync("combine", $"{trained.First}:0.5", $"{trained.Second}:0.5", "--kind", "cat", "-o", folder["cat"]);
        ((LoraOptions)AdapterConfig.Read(folder["cat"])).Rank.ShouldBe(8);
        await Tool.JsonAsync("combine", trained.First, trained.Second, "--kind", "ties_svd", "--density", "0.5", "--rank", "2", "-o", folder["ties"]);
        ((LoraOptions)AdapterConfig.Read(folder["ties"])).Rank.ShouldBe(2);
        var refused = await Tool.RunAsync("combine", trained.First, trained.Second, "--kind", "ties", "-o", folder["none"]);
        refused.Code.ShouldBe(1);
        refused.Error.ShouldContain("Density");
    }

    [Fact]
    public async Task Convert_goes_between_formats_and_back()
    {
        await Tool.JsonAsync("train", "-m", Tool.Model, "-d", Tool.Text, "--method", "bottleneck", "--max-steps", "1", "--batch-size", "1", "--block-size", "32", "-o", folder["bottleneck"]);
        await Tool.JsonAsync("convert", folder["bottleneck"], "--to", "adapterhub", "-o", folder["hub"]);
        File.Exists(folder["hub/adapter.safetensors"]).ShouldBeTrue();
        await Tool.JsonAsync("convert", folder["hub"], "-m", Tool.Model, "-o", folder["back"]);
        ((bool)(await Tool.JsonAsync("diff", folder["bottleneck"], folder["back"]))["tensors"]!.AsArray().All(tensor => (double?)tensor!["relative"] == 0)).ShouldBeTrue();
        await Tool.JsonAsync("convert", trained.First, "-o", folder["same"]);
        ((bool)(await Tool.JsonAsync("diff", trained.First, folder["same"]))["equal"]!).ShouldBeTrue();
    }

    [Fact]
    public async Task Report_makes_the_page_of_a_run_and_one_that_compares()
    {
        var one = await Tool.JsonAsync("report", trained.First, "-o", folder["one.html"]);
        ((string)one["runs"]![0]!["name"]!).ShouldBe("first");
        File.ReadAllText(folder["one.html"]).ShouldContain("Norms and singular values");
        var two = await Tool.RunAsync("report", trained.First, trained.Second, "-o", folder["two.html"]);
        two.Output.ShouldContain("second");
        File.ReadAllText(folder["two.html"]).ShouldContain("Settings that differ");
        (await Tool.RunAsync("report", folder["nothing"])).Code.ShouldBe(1);
    }

    [Fact]
    public async Task Training_goes_on_from_an_adapter()
    {
        var result = await Tool.JsonAsync("train", "-m", Tool.Model, "-d", Tool.Text, "-a", trained.First, "--max-steps", "1", "--batch-size", "2", "--block-size", "64", "--lr", "1e-9", "-o", folder["out"]);
        var contradiction = await Tool.RunAsync("train", "-m", Tool.Model, "-d", Tool.Text, "-a", trained.First, "--rank", "3", "-o", folder["none"]);
        contradiction.Code.ShouldBe(1);
        contradiction.Error.ShouldContain("--rank is for a new adapter");
        ((int)result["steps"]!).ShouldBe(1);
        (await Tool.JsonAsync("diff", trained.First, folder["out"]))["tensors"]!.AsArray().ShouldAllBe(tensor => (double)tensor!["relative"]! < 1e-4);
    }
}
