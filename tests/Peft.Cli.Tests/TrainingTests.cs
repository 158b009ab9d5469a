using System.Diagnostics;
using System.Text.Json.Nodes;

namespace Peft.Cli.Tests;

public sealed class TrainingTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task Train_writes_an_adapter_a_log_and_a_report()
    {
        var result = await Tool.JsonAsync(Tool.Train(folder["out"], "--eval-data", Tool.Text, "--sample", "Once upon a time"));
        ((int)result["steps"]!).ShouldBe(6);
        ((long)result["trainable_parameters"]!).ShouldBe(4480);
        ((double)result["best_evaluation"]!["loss"]!).ShouldBeGreaterThan(0);
        foreach (var file in new[] { "adapter_config.json", "adapter_model.safetensors", "run.jsonl", "report.html", "checkpoints/checkpoint-6/trainer_state.json" }) File.Exists(folder[$"out/{file}"]).ShouldBeTrue(file);
        File.ReadAllText(folder["out/report.html"]).ShouldContain("Once upon a time");
        ((LoraOptions)AdapterConfig.Read(folder["out"])).Rank.ShouldBe(4);
    }

    [Fact]
    public async Task A_run_that_is_interrupted_and_resumed_ends_as_one_that_was_not()
    {
        (await Tool.RunAsync(Tool.Train(folder["whole"]))).Code.ShouldBe(0);

        var stopped = await Tool.InteractAsync("", new Interruption("step 3/6"), Tool.Train(folder["part"]));
        stopped.Code.ShouldBe(130);
        stopped.Output.ShouldBeEmpty();
        stopped.Error.ShouldContain("Interrupted after step 3");
        stopped.Error.ShouldContain($"peft {string.Join(' ', Tool.Train(folder["part"]))} --resume");
        File.Exists(folder["part/adapter_config.json"]).ShouldBeFalse();

        var resumed = await Tool.RunAsync(Tool.Train(folder["part"], "--resume"));
        resumed.Code.ShouldBe(0, resumed.Error);
        File.ReadAllBytes(folder["part/adapter_model.safetensors"]).ShouldBe(File.ReadAllBytes(folder["whole/adapter_model.safetensors"]));
        Report.RunRecord.Read(folder["part"]).Curve("loss").ShouldBe(Report.RunRecord.Read(folder["whole"]).Curve("loss"));
    }

    [Fact]
    public async Task Ctrl_C_ends_the_program_with_a_checkpoint_and_the_command_that_goes_on()
    {
        if (OperatingSystem.IsWindows()) return;   // a test cannot send Ctrl-C there
        string[] args = ["train", "-m", Tool.Model, "-d", Tool.Text, "--max-steps", "1000000", "--batch-size", "2", "--block-size", "64", "-o", folder["out"]];
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(5));
        // Background jobs of a shell ignore Ctrl-C, and so do the programs that they start; GNU's env undoes it.
        string[] command = [.. OperatingSystem.IsLinux() ? ["env", "--default-signal=INT"] : Array.Empty<string>(), "dotnet", Path.Combine(AppContext.BaseDirectory, "Peft.Cli.dll"), .. args];
        using var process = Process.Start(new ProcessStartInfo(command[0], command[1..]) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        try
        {
            while (await process.StandardError.ReadLineAsync(limit.Token) is { } line && !line.StartsWith("step 1/", StringComparison.Ordinal)) { }
            using (var kill = Process.Start("sh", ["-c", $"kill -INT {process.Id}"])) await kill.WaitForExitAsync();
            var rest = await process.StandardError.ReadToEndAsync(limit.Token);
            await process.WaitForExitAsync(limit.Token);
            process.ExitCode.ShouldBe(130, rest);
            rest.ShouldContain($"the checkpoint is {Trainer.FindLastCheckpoint(folder["out/checkpoints"]).ShouldNotBeNull()}. To go on:");
            rest.ShouldContain($"peft {string.Join(' ', args)} --resume");
        }
        finally
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
        }
    }

    [Fact]
    public async Task A_folder_with_checkpoints_is_neither_overwritten_nor_resumed_unasked()
    {
        await Tool.RunAsync(Tool.Train(folder["out"]));
        var again = await Tool.RunAsync(Tool.Train(folder["out"]));
        again.Code.ShouldBe(1);
        again.Error.ShouldContain("--resume");
        var fresh = await Tool.RunAsync(Tool.Train(folder["new"], "--resume"));
        fresh.Code.ShouldBe(1);
        fresh.Error.ShouldContain("no checkpoint");
    }

    [Theory]
    [InlineData("lora", "use_dora=true", "r=3")]
    [InlineData("LoHa", "r=2", "module_dropout=0.1")]
    [InlineData("ia3", "target_modules=k_proj,v_proj", "feedforward_modules=[]")]
    [InlineData("prefix-tuning", "num_virtual_tokens=4", "prefix_projection=false")]
    [InlineData("prompt_tuning", "NumVirtualTokens=4", "prompt_tuning_init=RANDOM")]
    public async Task Any_setting_of_any_method_can_be_given(string method, params string[] settings)
    {
        string[] args = ["train", "-m", Tool.Model, "-d", Tool.Text, "--method", method, "--max-steps", "1", "--batch-size", "1", "--block-size", "32", "-o", folder["out"], .. settings.SelectMany(each => new[] { "--set", each })];
        var run = await Tool.RunAsync(args);
        run.Code.ShouldBe(0, run.Error);
        var config = JsonNode.Parse(File.ReadAllText(folder["out/adapter_config.json"]))!.AsObject();
        foreach (var setting in settings.Where(each => char.IsLower(each[0])))
            config[setting.Split('=')[0]]!.ToJsonString().Trim('"', '[', ']').ShouldBe(setting.Split('=')[1] is ['t' or 'f', ..] flag ? flag : string.Join("\",\"", setting.Split('=')[1].Trim('[', ']').Split(',')));
    }

    [Theory]
    [InlineData("sft", "completions.jsonl")]
    [InlineData("sft", "texts.jsonl")]
    [InlineData("dpo", "pairs.jsonl", "--beta", "0.2")]
    [InlineData("kto", "pairs.jsonl", "--beta", "0.2")]
    [InlineData("kto", "labels.jsonl", "--objective", "UndesirableWeight=2")]
    [InlineData("reward", "pairs.jsonl")]
    [InlineData("rloo", "prompts.jsonl", "--reward", "length:20", "--max-completion-length", "8", "--objective", "NormalizeAdvantages=true")]
    [InlineData("rloo", "prompts.jsonl", "--reward", "think", "--reward", "overlong:8:4", "--reward", "repetition:2", "--max-completion-length", "8", "--max-length", "200")]
    [InlineData("grpo", "prompts.jsonl", "--reward", "length:20", "--reward", "field:name", "--max-completion-length", "8", "--generations", "4")]
    [InlineData("train", "completions.jsonl")]
    public async Task Every_training_command_trains(string command, string data, params string[] more)
    {
        var result = await Tool.JsonAsync([command, "-m", Tool.Model, "-d", Tool.Data(data), "--max-steps", "2", "--batch-size", "2", "--rank", "2", "-o", folder["out"], .. more]);
        ((int)result["steps"]!).ShouldBe(2);
        File.Exists(folder["out/adapter_model.safetensors"]).ShouldBeTrue();
    }

    // The reference is the adapter as it was, so that policy and reference are equal at first.
    [Fact]
    public async Task Dpo_of_a_trained_adapter_starts_from_it()
    {
        string[] args = ["dpo", "-m", Tool.Model, "-d", Tool.Data("pairs.jsonl"), "--batch-size", "2"];
        var first = await Tool.JsonAsync([.. args, "--max-steps", "4", "--rank", "2", "--learning-rate", "0.05", "-o", folder["first"]]);
        Math.Abs((double)first["final_loss"]! - Math.Log(2)).ShouldBeGreaterThan(0.01);
        var second = await Tool.JsonAsync([.. args, "--max-steps", "1", "--adapter", folder["first"], "-o", folder["second"]]);
        ((double)second["first_loss"]!).ShouldBe(Math.Log(2), 1e-6);
        Directory.GetFiles(folder["second"], "adapter_model.safetensors", SearchOption.AllDirectories).Where(file => !file.Contains("checkpoints", StringComparison.Ordinal)).ShouldHaveSingleItem();
    }

    // KTO's loss is 1 − σ(0) where policy and reference are equal.
    [Fact]
    public async Task A_run_from_a_trained_adapter_is_resumed_with_its_reference()
    {
        string[] args = ["kto", "-m", Tool.Model, "-d", Tool.Data("labels.jsonl"), "--batch-size", "2", "--lr", "1e-2"];
        await Tool.JsonAsync([.. args, "--max-steps", "2", "--rank", "2", "-o", folder["first"]]);
        args = [.. args, "--max-steps", "4", "--adapter", folder["first"]];
        ((double)(await Tool.JsonAsync([.. args, "-o", folder["whole"]]))["first_loss"]!).ShouldBe(0.5, 1e-6);
        (await Tool.InteractAsync("", new Interruption("step 2/4"), [.. args, "-o", folder["part"]])).Code.ShouldBe(130);
        (await Tool.RunAsync([.. args, "-o", folder["part"], "--resume"])).Code.ShouldBe(0);
        File.ReadAllBytes(folder["part/adapter_model.safetensors"]).ShouldBe(File.ReadAllBytes(folder["whole/adapter_model.safetensors"]));
    }

    [Theory]
    [InlineData("Name at least one by --reward")]
    [InlineData("'taste:good' is none of", "--reward", "taste:good")]
    [InlineData("not a regular expression", "--reward", "regex:(")]
    [InlineData("is none of", "--reward", "overlong:20")]
    [InlineData("is none of", "--reward", "repetition:few")]
    [InlineData("no row of", "--reward", "field:surname")]
    [InlineData("must be a reward model", "--reward", "model:adapter")]
    [InlineData("no-such-program could not be started", "--reward", "program:no-such-program --fast")]
    public async Task A_reward_that_cannot_be_given_is_refused(string expected, params string[] more)
    {
        var adapter = Directory.CreateDirectory(folder["adapter"]).FullName;
        folder.Write("adapter/adapter_config.json", """{ "peft_type": "LORA", "task_type": "CAUSAL_LM" }""");
        string[] args = ["grpo", "-m", Tool.Model, "-d", Tool.Data("prompts.jsonl"), "--max-steps", "1", "--rank", "2", "-o", folder["out"], .. more.Select(each => each.Replace("model:adapter", $"model:{adapter}", StringComparison.Ordinal))];
        var run = await Tool.RunAsync(args);
        run.Code.ShouldBe(1);
        run.Error.ShouldContain(expected);
    }

    [Fact]
    public async Task Data_of_any_format_is_read_with_its_columns_renamed_and_divided()
    {
        var csv = folder.Write("rows.csv", "question,answer\n" + string.Concat(Enumerable.Range(0, 40).Select(i => $"\"What, is {i}?\", a number\n")));
        string[] args = ["sft", "-m", Tool.Model, "-d", csv, "--max-steps", "1", "--batch-size", "2", "--rank", "2"];
        var refused = await Tool.RunAsync([.. args, "-o", folder["none"]]);
        refused.Code.ShouldBe(1);
        refused.Error.ShouldContain("has the columns question, answer");
        refused.Error.ShouldContain("--columns old=new");
        var result = await Tool.JsonAsync([.. args, "--columns", "question=prompt", "--columns", "answer=completion", "--eval-share", "0.25", "-o", folder["out"]]);
        ((double)result["best_evaluation"]!["loss"]!).ShouldBeGreaterThan(0);
        var configuration = Report.RunRecord.Read(folder["out"]).Configuration;
        (Rows(configuration["data"]) + Rows(configuration["evaluation data"])).ShouldBe(40);
        (await Tool.RunAsync([.. args, "--eval-share", "2", "-o", folder["none"]])).Error.ShouldContain("between 0 and 1");

        static int Rows(string text) => int.Parse(text.Split(", ")[^1].Split(' ')[0]);
    }

    [Fact]
    public async Task A_folder_of_a_dataset_has_splits()
    {
        File.Copy(Tool.Data("texts.jsonl"), Directory.CreateDirectory(folder["set"]).FullName + "/train.jsonl");
        File.Copy(Tool.Data("completions.jsonl"), folder["set/test.jsonl"]);
        var result = await Tool.JsonAsync("sft", "-m", Tool.Model, "-d", folder["set"], "--eval-split", "test", "--max-steps", "1", "--batch-size", "2", "--rank", "2", "-o", folder["out"]);
        ((double)result["best_evaluation"]!["loss"]!).ShouldBeGreaterThan(0);
        (await Tool.RunAsync("sft", "-m", Tool.Model, "-d", folder["set"], "--split", "validation", "-o", folder["none"])).Code.ShouldBe(1);
    }

    [Theory, InlineData(1), InlineData(8)]
    public async Task A_reward_model_is_evaluated_on_pairs(int batchSize)
    {
        await Tool.JsonAsync("reward", "-m", Tool.Model, "-d", Tool.Data("pairs.jsonl"), "--max-steps", "3", "--batch-size", "4", "--rank", "2", "-o", folder["reward"]);
        // Three pairs more, whose preferences are the opposite.
        JsonNode[] rows = [.. File.ReadLines(Tool.Data("pairs.jsonl")).Select(line => JsonNode.Parse(line)!)];
        rows = [.. rows, .. rows.Take(3).Select(row => new JsonObject { ["prompt"] = (string)row["prompt"]!, ["chosen"] = (string)row["rejected"]!, ["rejected"] = (string)row["chosen"]! })];
        var pairs = folder.Write("pairs.jsonl", string.Join('\n', rows.Select(row => row.ToJsonString())));
        var result = await Tool.JsonAsync("eval", "--adapter", folder["reward"], "-d", pairs, "--batch-size", $"{batchSize}");

        // Each text alone, by the prediction of a value.
        using var loaded = Models.AutoPeftModel.ForSequenceClassification(folder["reward"], new() { LabelCount = 1 });
        var tokenizer = Tokenizer.FromPretrained(Tool.Model);
        double Score(JsonNode row, string which) => Models.Classifying.Regress(loaded.Model, [(string)row["prompt"]! + (string)row[which]! + "</s>"], tokenizer).Single();
        double[] chosen = [.. rows.Select(row => Score(row, "chosen"))], rejected = [.. rows.Select(row => Score(row, "rejected"))], margins = [.. chosen.Zip(rejected, (a, b) => a - b)];
        ((int)result["rows"]!).ShouldBe(11);
        Close(result["loss"]!, margins.Average(margin => Math.Log(1 + Math.Exp(-margin))));
        Close(result["metrics"]!["accuracy"]!, margins.Count(margin => margin > 0) / 11.0);
        Close(result["metrics"]!["margin"]!, margins.Average());
        Close(result["metrics"]!["rewards/chosen"]!, chosen.Average());
        Close(result["metrics"]!["rewards/rejected"]!, rejected.Average());
        Close(result["metrics"]!["mean_reward"]!, chosen.Concat(rejected).Average());
        result["perplexity"].ShouldBeNull();
        margins.Count(margin => margin > 0).ShouldBeInRange(1, 10);

        var text = await Tool.RunAsync("eval", "--adapter", folder["reward"], "-d", pairs);
        foreach (var name in new[] { "rows", "loss", "accuracy", "margin", "rewards/chosen", "rewards/rejected", "mean_reward" }) text.Output.ShouldContain(name);

        static void Close(JsonNode value, double expected) => ((double)value).ShouldBe(expected, 1e-5);   // float32, sums in another order
    }

    [Fact]
    public async Task Pairs_need_a_reward_model()
    {
        (await Tool.RunAsync("eval", "-m", Tool.Model, "-d", Tool.Data("pairs.jsonl"))).Error.ShouldContain("which a reward model scores, but the task of this model is causal-lm");
        (await Tool.RunAsync("eval", "-m", Tool.Model, "--task", "sequence-classification", "-d", Tool.Data("pairs.jsonl"))).Error.ShouldContain("but this classifier has 2 classes: name an adapter that `peft reward` trained");
    }

    [Fact]
    public async Task A_reward_model_of_the_command_line_scores_completions()
    {
        await Tool.JsonAsync("reward", "-m", Tool.Model, "-d", Tool.Data("pairs.jsonl"), "--max-steps", "2", "--batch-size", "2", "--rank", "2", "-o", folder["reward"]);
        await Tool.JsonAsync("grpo", "-m", Tool.Model, "-d", Tool.Data("prompts.jsonl"), "--reward", $"model:{folder["reward"]}", "--max-steps", "1", "--batch-size", "1", "--generations", "2", "--max-completion-length", "4", "-o", folder["out"]);
        Report.RunRecord.Read(folder["out"]).Steps[0].Values.Keys.ShouldContain(name => name.Contains("reward"));
    }

    [Fact]
    public async Task A_configuration_file_says_what_the_command_line_can_and_gives_way_to_it()
    {
        var file = folder.Write("run.yaml", $$"""
            # a comment
            model: {{Tool.Model}}
            data: {{Tool.Text}}
            method: lora
            rank: 2
            targets: q_proj,v_proj
            set: { lora_alpha: 5, rank_pattern: { v_proj: 3 } }
            max_steps: 9
            batch-size: 1
            block-size: 32
            sample: [Once upon a time, One day]
            training: { MaxGradientNorm: 0.5 }
            load_best: no
            verbose: off
            json: yes
            """);
        var result = await Tool.JsonAsync("train", "--config", file, "--max-steps", "1", "-o", folder["out"]);
        ((int)result["steps"]!).ShouldBe(1);
        var options = (LoraOptions)AdapterConfig.Read(folder["out"]);
        (options.Rank, options.Alpha, options.RankPattern["v_proj"]).ShouldBe((2, 5, 3));
        Report.RunRecord.Read(folder["out"]).Configuration["training.MaxGradientNorm"].ShouldBe("0.5");
        Report.RunRecord.Read(folder["out"]).Samples.Select(sample => sample.Prompt).Distinct().ShouldBe(["Once upon a time", "One day"]);
    }

    [Theory]
    [InlineData("rnak: 8", "'rnak' is not an option of peft train")]
    [InlineData("- 8", "not a map")]
    [InlineData("rank: [", "not valid YAML")]
    [InlineData("resume: maybe", "'resume' must be true or false, but was 'maybe'")]
    [InlineData("rank: { a: [b, { c: d }] }", "--rank")]
    public async Task A_configuration_that_is_wrong_is_refused(string text, string expected)
    {
        var run = await Tool.RunAsync(Tool.Train(folder["out"], "--config", folder.Write("run.yaml", text))[0..3] is var start ? [.. start, "--config", folder["run.yaml"]] : []);
        run.Code.ShouldBe(1);
        run.Error.ShouldContain(expected);
    }

    [Theory]
    [InlineData("There is no method 'lroa'", "--method", "lroa")]
    [InlineData("LoraOptions has no setting 'rnak'", "--set", "rnak=8")]
    [InlineData("name=value", "--set", "rank")]
    [InlineData("Rank must be at least 1, but was 0", "--rank", "0")]
    [InlineData("--method lora: Rank must be a whole number, but was 'many'.", "--set", "r=many")]
    [InlineData("--epochs: Epochs must be a whole number, but was 'many'.", "--epochs", "many")]
    [InlineData("--quantization: 'nf5' is not a kind of quantization", "--quantization", "nf5")]
    [InlineData("--dtype must be float32, bfloat16, float16 or float64, but was 'int4'.", "--dtype", "int4")]
    [InlineData("--block-size ('1') must be greater than or equal to '2'.", "--block-size", "1")]
    [InlineData("'often' is not a learning rate schedule", "--schedule", "often")]
    [InlineData("TrainingOptions has no setting 'Steps'", "--training", "Steps=3")]
    [InlineData("--batch-size must be at least 1", "--batch-size", "0")]
    [InlineData("no module", "--targets", "nothing")]
    [InlineData("--dropout must be a number, but was 'x'.", "--dropout", "x")]
    [InlineData("whose lines have the one column text", "--columns", "a=b")]
    [InlineData("There is no file or folder '/nowhere.jsonl'", "--data", "/nowhere.jsonl")]
    [InlineData("--rank must be a whole number, but was 'x'.", "--rank", "x")]
    public async Task What_cannot_be_done_is_refused_in_a_sentence(string expected, string option, string value)
    {
        string[] args = ["train", "-m", Tool.Model, "-o", folder["out"], "--max-steps", "1", option, value, .. option == "--data" ? Array.Empty<string>() : ["--data", Tool.Text]];
        var run = await Tool.RunAsync(args);
        run.Code.ShouldBe(1);
        run.Error.ShouldContain(expected, Case.Insensitive);
        run.Error.ShouldNotContain("   at ");
        run.Output.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_wrong_option_is_reported_with_those_that_resemble_it_on_the_standard_error()
    {
        var run = await Tool.RunAsync(Tool.Train(folder["out"], "--btach-size", "3", "--json"));
        (run.Code, run.Output).ShouldBe((1, ""));
        run.Error.ShouldContain("--batch-size");
    }

    [Fact]
    public async Task A_list_of_names_or_numbers_replaces_the_default()
    {
        string[] args = ["dpo", "-m", Tool.Model, "-d", Tool.Data("pairs.jsonl"), "--max-steps", "1", "--batch-size", "2", "--rank", "2"];
        // An untrained adapter changes nothing, so the margins are 0: IPO is (1/2β)², the sigmoid loss ln 2, and the hinge loss 1.
        ((double)(await Tool.JsonAsync([.. args, "--objective", "Losses=ipo", "-o", folder["one"]]))["first_loss"]!).ShouldBe(25, 1e-4);
        ((double)(await Tool.JsonAsync([.. args, "--objective", "Losses=[\"sigmoid\", \"hinge\"]", "--objective", "LossWeights=0.5,2", "-o", folder["two"]]))["first_loss"]!).ShouldBe((0.5 * Math.Log(2)) + 2, 1e-5);
        var wrong = await Tool.RunAsync([.. args, "--objective", "Losses=ipo,best", "-o", folder["none"]]);
        wrong.Code.ShouldBe(1);
        wrong.Error.ShouldContain("--objective: Losses must be one of Sigmoid, ");
        wrong.Error.ShouldContain("but was 'best'.");
    }

    [Fact]
    public async Task A_folder_that_cannot_be_created_is_found_out_before_the_training()
    {
        var run = await Tool.RunAsync(Tool.Train(folder.Write("file", "")));
        run.Code.ShouldBe(1);
        run.Error.ShouldContain("cannot be created");
        run.Error.ShouldContain("--output");
        run.Error.ShouldNotContain("step 1/");
    }

    [Fact]
    public async Task Preferences_and_rewards_show_what_says_more_than_the_loss()
    {
        foreach (var (command, data, metric, more) in new[] { ("dpo", "pairs.jsonl", "rewards/accuracies", Array.Empty<string>()), ("kto", "pairs.jsonl", "rewards/margins", []), ("reward", "pairs.jsonl", "accuracy", []), ("grpo", "prompts.jsonl", "reward", ["--reward", "length:20", "--max-completion-length", "4", "--generations", "2"]) })
        {
            string[] args = [command, "-m", Tool.Model, "-d", Tool.Data(data), "--max-steps", "1", "--batch-size", command == "kto" ? "8" : "2", "--rank", "2", .. more];   // KTO's margin needs rows of both labels
            var result = await Tool.JsonAsync([.. args, "-o", folder[command]]);
            double.IsFinite((double)result["metrics"]![metric]!).ShouldBeTrue();
            var text = await Tool.RunAsync([.. args, "-o", folder[$"{command}-2"]]);
            text.Error.ShouldContain($"  {metric} ");
            text.Output.ShouldContain(metric);
        }
    }

    [Theory]
    [InlineData("train", "texts.jsonl")]
    [InlineData("sft", "completions.jsonl")]
    [InlineData("dpo", "pairs.jsonl")]
    [InlineData("reward", "pairs.jsonl")]
    public async Task Streamed_rows_are_trained_on_and_an_interrupted_run_is_resumed(string command, string data)
    {
        string[] args = [command, "-m", Tool.Model, "-d", Tool.Data(data), "--stream", "--max-steps", "4", "--batch-size", "2", "--rank", "2", "--lr", "1e-2"];
        (await Tool.RunAsync([.. args, "-o", folder["whole"]])).Code.ShouldBe(0);
        (await Tool.InteractAsync("", new Interruption("step 2/4"), [.. args, "-o", folder["part"]])).Code.ShouldBe(130);
        (await Tool.RunAsync([.. args, "-o", folder["part"], "--resume"])).Code.ShouldBe(0);
        File.ReadAllBytes(folder["part/adapter_model.safetensors"]).ShouldBe(File.ReadAllBytes(folder["whole/adapter_model.safetensors"]));
    }

    [Fact]
    public async Task What_cannot_be_streamed_is_refused()
    {
        await Refused("leave out one of them", "sft", "texts.jsonl", "--token-cache", folder["cache"]);
        await Refused("must all be known before training", "grpo", "prompts.jsonl", "--reward", "length:3");
        await Refused("must all be known before training", "train", "texts.jsonl", "--task", "sequence-classification");
        var run = await Tool.RunAsync(Tool.Train(folder["out"], "--stream"));
        (run.Code, run.Error.Contains("is one text")).ShouldBe((1, true));

        async Task Refused(string expected, string command, string data, params string[] more)
        {
            var run = await Tool.RunAsync([command, "-m", Tool.Model, "-d", Tool.Data(data), "--stream", "--max-steps", "1", "-o", folder["none"], .. more]);
            run.Code.ShouldBe(1);
            run.Error.ShouldContain(expected);
        }
    }

    [Fact]
    public async Task A_device_that_is_not_there_is_refused()
    {
        if (TorchSharp.torch.cuda.is_available()) return;
        var run = await Tool.RunAsync(Tool.Train(folder["out"], "--device", "cuda:0"));
        run.Code.ShouldBe(1);
        run.Error.ShouldContain("--device cuda:0: there is no CUDA device");
    }

    [Fact]
    public async Task Verbose_shows_where_an_error_happened()
        => (await Tool.RunAsync("train", "-m", Tool.Model, "-d", "/nowhere.jsonl", "-o", folder["out"], "--verbose")).Error.ShouldContain("   at Peft.Cli.");
}
