using System.Text.Json.Nodes;

namespace Peft.Cli.Tests;

/// <summary>Classifiers of texts and of words, trained, evaluated and asked by the tool.</summary>
public sealed class ClassifierTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    // Questions to a bank, of some intents.
    private string Questions(string split, params string[] intents)
        => folder.Write($"{split}.jsonl", string.Join('\n', File.ReadLines(Path.Combine(AppContext.BaseDirectory, "banking77", $"{split}.jsonl")).Where(line => intents.Contains((string)JsonNode.Parse(line)!["label"]!))));

    private string[] Train(string task, string data, string output, params string[] more)
        => ["train", "-m", Tool.Model, "--task", task, "-d", data, "--rank", "8", "--batch-size", "16", "--lr", "5e-3", "-o", folder[output], .. more];

    [Fact]
    public async Task A_classifier_is_trained_evaluated_asked_and_merged()
    {
        var (train, test) = (Questions("train", "change_pin", "exchange_rate", "age_limit"), Questions("test", "change_pin", "exchange_rate", "age_limit"));
        var trained = await Tool.JsonAsync(Train("sequence-classification", train, "intents", "--eval-data", test, "--pooling", "mean", "--epochs", "2", "--load-best", "--training", "BestMetric=accuracy", "--sample", "How do I change my PIN?"));
        var accuracy = (double)trained["best_evaluation"]!["metrics"]!["accuracy"]!;
        accuracy.ShouldBeGreaterThan(0.9);
        TaskDescription.Read(folder["intents"])!.Labels.ShouldBe(["age_limit", "change_pin", "exchange_rate"]);
        Report.RunRecord.Read(folder["intents"]).Samples[^1].Text.ShouldStartWith("change_pin (");

        // Nothing names the task again: the adapter does.
        var evaluated = await Tool.JsonAsync("eval", "-a", folder["intents"], "-d", test);
        ((double)evaluated["metrics"]!["accuracy"]!).ShouldBe(accuracy, 1e-12);
        evaluated["perplexity"].ShouldBeNull();

        // The accuracy counted from the answers.
        var rows = File.ReadLines(test).Select(line => JsonNode.Parse(line)!).ToList();
        var answers = (await Tool.JsonAsync(["predict", "-a", folder["intents"], .. rows.Select(row => (string)row["text"]!)])).AsArray();
        answers.Select(answer => (string)answer!["text"]!).ShouldBe(rows.Select(row => (string)row["text"]!));
        answers.Zip(rows).Count(pair => (string)pair.First!["label"]! == (string)pair.Second["label"]!).ShouldBe((int)Math.Round(accuracy * rows.Count));
        foreach (var answer in answers)
        {
            var scores = answer!["scores"]!.AsArray();
            scores.Sum(score => (double)score!["probability"]!).ShouldBe(1, 1e-5);   // float32
            ((string)scores[0]!["label"]!, (double)scores[0]!["probability"]!).ShouldBe(((string)answer["label"]!, (double)answer["probability"]!));
        }

        var shown = await Tool.InteractAsync("How do I change my PIN?\n\nIs there an age limit?\n", null, "predict", "-a", folder["intents"]);
        var lines = shown.Output.Split('\n').ToList();
        lines.FindIndex(line => line.Contains("change_pin") && line.Contains("my PIN?")).ShouldBeInRange(1, lines.FindIndex(line => line.Contains("age_limit")) - 1);

        // The merged model is a classifier by itself.
        await Tool.JsonAsync("merge", "-a", folder["intents"], "-o", folder["merged"]);
        ((double)(await Tool.JsonAsync("eval", "-m", folder["merged"], "-d", test))["metrics"]!["accuracy"]!).ShouldBe(accuracy, 1e-12);
        ((string)(await Tool.JsonAsync("predict", "-m", folder["merged"], "How do I change my PIN?"))[0]!["label"]!).ShouldBe("change_pin");
        ((double)(await Tool.JsonAsync("info", folder["intents"], "--drift"))["layers"]![0]!["drift"]!).ShouldBeGreaterThan(0);

        // Trained further on rows of some of its classes, it keeps all of them.
        await Tool.JsonAsync("train", "-m", Tool.Model, "-a", folder["intents"], "-d", Questions("train", "change_pin"), "--pooling", "mean", "--max-steps", "1", "-o", folder["further"]);
        TaskDescription.Read(folder["further"])!.Labels.ShouldBe(["age_limit", "change_pin", "exchange_rate"]);

        var generated = await Tool.RunAsync("generate", "Hi", "-a", folder["intents"]);
        generated.Code.ShouldBe(1);
        generated.Error.ShouldContain("the task of this one is sequence-classification");
    }

    [Fact]
    public async Task A_tagger_is_trained_evaluated_and_asked()
    {
        string[] names = ["Anna", "Tom", "Lily", "Ben"], cities = ["Rome", "Paris", "Oslo", "Bern"];
        var rows = string.Concat(names.SelectMany(name => cities.Select(city => $$"""{"tokens": ["{{name}}", "lives", "in", "{{city}}", "."], "tags": ["B-person", "O", "O", "B-city", "O"]}""" + "\n")));
        var data = folder.Write("sentences.jsonl", rows);
        await Tool.JsonAsync(Train("token-classification", data, "tags", "--epochs", "20", "--targets", "all-linear", "--sample", "Tom lives in Bern ."));
        Report.RunRecord.Read(folder["tags"]).Samples[^1].Text.ShouldBe("Tom: person, Bern: city");
        ((double)(await Tool.JsonAsync("eval", "-a", folder["tags"], "-d", data))["metrics"]!["f1"]!).ShouldBe(1);
        var answer = (await Tool.JsonAsync("predict", "-a", folder["tags"], "Lily lives in Oslo."))[0]!;
        answer["entities"]!.AsArray().Select(entity => ((string)entity!["type"]!, (string)entity["text"]!, (int)entity["start"]!, (int)entity["end"]!)).ShouldBe([("person", "Lily", 0, 4), ("city", "Oslo", 14, 18)]);
        answer["words"]!.AsArray().Select(word => (string)word!["label"]!).ShouldBe(["B-person", "O", "O", "B-city", "O"]);
        var shown = (await Tool.RunAsync("predict", "-a", folder["tags"], "Lily lives in Oslo.")).Output;
        shown.ShouldMatch("person .*Lily .*\n.*city .*Oslo");
        // Rows of words, and of texts.
        (await Tool.JsonAsync("predict", "-a", folder["tags"], "-d", folder.Write("words.jsonl", """{"tokens": ["Lily", "lives", "in", "Oslo", "."]}""")))[0]!["words"]!.AsArray().Select(word => (string)word!["label"]!).ShouldBe(["B-person", "O", "O", "B-city", "O"]);
        (await Tool.JsonAsync("predict", "-a", folder["tags"], "-d", folder.Write("texts.txt", "Lily lives in Oslo.\n\nTom lives in Bern.\n"))).AsArray().Select(row => (string)row!["text"]!).ShouldBe(["Lily lives in Oslo.", "Tom lives in Bern."]);
        (await Tool.RunAsync("predict", "-a", folder["tags"], "Lily lives in Oslo.", "--pair", "x")).Error.ShouldContain("not of pairs");
        // A tagger is exported as a graph; formats for models that continue texts refuse it, and write nothing.
        (await Tool.JsonAsync("export", "-a", folder["tags"], "--format", "onnx", "-o", folder["graph"]))["files"]!.AsArray().Select(file => (string)file!["name"]!).ShouldBe(["adapter.onnx_adapter", "model.onnx"]);
        foreach (var format in new[] { "gguf", "gguf_lora", "genai" })
        {
            var refused = await Tool.RunAsync("export", "-a", folder["tags"], "--format", format, "-o", folder["none"]);
            refused.Code.ShouldBe(1);
            refused.Error.ShouldContain("CausalLM");
            Directory.Exists(folder["none"]).ShouldBeFalse();
        }
        // A combination would lose the trained head.
        var uncombined = await Tool.RunAsync("combine", $"{folder["tags"]}:0.5", $"{folder["tags"]}:0.5", "-o", folder["combined"]);
        uncombined.Code.ShouldBe(1);
        uncombined.Error.ShouldContain("fully trained modules");
        Directory.Exists(folder["combined"]).ShouldBeFalse();
    }

    [Fact]
    public async Task Several_classes_values_and_pairs_are_read_from_the_rows()
    {
        var several = folder.Write("several.csv", "text,label\na film about love,drama;comedy\na film about war,drama\na film about nothing,\n");
        await Tool.JsonAsync(Train("sequence-classification", several, "several", "--max-steps", "1", "--dataset", "LabelSeparator=;"));
        var found = (await Tool.JsonAsync("predict", "-a", folder["several"], "a film"))[0]!;
        found["scores"]!.AsArray().Select(score => (string)score!["label"]!).ShouldBe(["comedy", "drama"], ignoreOrder: true);
        found["labels"]!.AsArray().Select(label => (string)label!).ShouldBe(found["scores"]!.AsArray().Where(score => (double)score!["probability"]! >= 0.5).Select(score => (string)score!["label"]!));
        found["label"].ShouldBeNull();

        var stars = folder.Write("stars.csv", "text,label\nDelicious!,4.8\nNever again.,1.2\n");
        await Tool.JsonAsync(Train("sequence-classification", stars, "stars", "--max-steps", "1", "--dataset", "Problem=Regression"));
        ((double)(await Tool.JsonAsync("predict", "-a", folder["stars"], "Delicious!"))[0]!["value"]!).ShouldBeInRange(-100, 100);
        (await Tool.JsonAsync("eval", "-a", folder["stars"], "-d", stars))["metrics"]!["mse"].ShouldNotBeNull();

        var pairs = folder.Write("pairs.csv", "premise,hypothesis,label\nIt rains.,It is wet.,yes\nIt rains.,It is dry.,no\n");
        var read = await Tool.RunAsync(Train("sequence-classification", pairs, "pairs", "--max-steps", "1", "--columns", "premise=text", "--columns", "hypothesis=pair", "--verbose"));
        read.Code.ShouldBe(0, read.Error);
        // Each row is answered as its texts are; the second text is part of the input.
        string[] renamed = ["--columns", "premise=text", "--columns", "hypothesis=pair"];
        var rows = (await Tool.JsonAsync(["predict", "-a", folder["pairs"], "-d", pairs, .. renamed])).AsArray();
        rows.Select(row => ((string)row!["text"]!, (string)row["pair"]!)).ShouldBe([("It rains.", "It is wet."), ("It rains.", "It is dry.")]);
        var given = (await Tool.JsonAsync("predict", "-a", folder["pairs"], "It rains.", "It rains.", "--pair", "It is wet.", "--pair", "It is dry.")).AsArray();
        given.ToJsonString().ShouldBe(rows.ToJsonString());
        var single = (await Tool.JsonAsync("predict", "-a", folder["pairs"], "It rains."))[0]!;
        single["pair"].ShouldBeNull();
        Scores(single).ShouldNotBe(Scores(rows[0]!));
        (await Tool.RunAsync(["predict", "-a", folder["pairs"], "-d", pairs, .. renamed])).Output.ShouldMatch("label .*text .*pair");
        (await Tool.RunAsync("predict", "-a", folder["pairs"], "It rains.", "It snows.", "--pair", "It is wet.")).Error.ShouldContain("There are 2 texts, but 1 second texts");
        (await Tool.RunAsync("predict", "-a", folder["pairs"], "It rains.", "-d", pairs)).Error.ShouldContain("leave out one of them");
        (await Tool.RunAsync("predict", "-a", folder["pairs"], "-d", pairs)).Error.ShouldContain("has the columns premise, hypothesis, label, but this command reads text");
        (await Tool.RunAsync("predict", "-a", folder["pairs"], "-d", folder.Write("none.jsonl", ""))).Error.ShouldContain("none.jsonl has no rows.");
        (await Tool.RunAsync("predict", "-a", folder["pairs"], "-d", folder.Write("numbers.jsonl", """{"text": 3}"""))).Error.ShouldContain("line 1: \"text\" must be a text.");

        static string Scores(JsonNode row) => row["scores"]!.ToJsonString();

        // The second text is part of the input.
        var alone = folder.Write("alone.csv", "text,label\nIt rains.,yes\nIt rains.,no\n");
        ((double)(await Tool.JsonAsync("eval", "-a", folder["pairs"], "-d", alone))["loss"]!).ShouldNotBe((double)(await Tool.JsonAsync("eval", "-a", folder["pairs"], "-d", pairs, "--columns", "premise=text", "--columns", "hypothesis=pair"))["loss"]!);
    }

    [Theory]
    [InlineData("has the columns text, but this command reads text and label", "--task", "sequence-classification")]
    [InlineData("has the columns text, but this command reads tokens and tags", "--task", "token-classification")]
    [InlineData("'classification'", "--task", "classification")]
    [InlineData("--dataset is for classification", "--dataset", "TextField=a")]
    [InlineData("--pooling is for classifiers of texts, but the task is causal-lm", "--pooling", "mean")]
    [InlineData("ClassificationOptions has no setting 'Text'", "--task", "sequence-classification", "--dataset", "Text=a")]
    public async Task What_does_not_fit_the_task_is_refused(string expected, params string[] more)
    {
        var run = await Tool.RunAsync(["train", "-m", Tool.Model, "-d", folder.Write("texts.jsonl", """{"text": "a"}"""), "--max-steps", "1", "-o", folder["out"], .. more]);
        run.Code.ShouldBe(1);
        run.Error.ShouldContain(expected);
    }

    [Fact]
    public async Task Predict_needs_a_classifier_and_a_text()
    {
        (await Tool.RunAsync("predict", "Hi", "-m", Tool.Model)).Error.ShouldContain("use peft generate");
        var none = await Tool.RunAsync("predict", "-m", Tool.Model, "--task", "sequence-classification");
        (none.Code, none.Output).ShouldBe((1, ""));
        none.Error.ShouldContain("There is no text");
    }

    [Theory]
    [InlineData("sft", "completions.jsonl")]
    [InlineData("dpo", "pairs.jsonl")]
    [InlineData("reward", "pairs.jsonl")]
    [InlineData("grpo", "prompts.jsonl", "--reward", "field:name", "--max-completion-length", "4", "--generations", "2")]
    [InlineData("train", "texts.jsonl")]
    [InlineData("train", "train.txt", "--block-size", "64")]
    public async Task Tokens_are_kept_and_read_again(string command, string data, params string[] more)
    {
        string[] args = [command, "-m", Tool.Model, "-d", data == "train.txt" ? Tool.Text : Tool.Data(data), "--max-steps", "2", "--batch-size", "2", "--rank", "2", .. more];
        await Tool.JsonAsync([.. args, "-o", folder["plain"]]);
        await Tool.JsonAsync([.. args, "-o", folder["first"], "--token-cache", folder["cache"]]);
        var kept = Files();
        kept.ShouldNotBeEmpty();
        await Tool.JsonAsync([.. args, "-o", folder["second"], "--token-cache", folder["cache"]]);
        Files().ShouldBe(kept);
        foreach (var cached in new[] { "first", "second" }) File.ReadAllBytes(folder[$"{cached}/adapter_model.safetensors"]).ShouldBe(File.ReadAllBytes(folder["plain/adapter_model.safetensors"]));

        List<(string, DateTime)> Files() => [.. Directory.EnumerateFiles(folder["cache"], "*", SearchOption.AllDirectories).Order().Select(file => (file, File.GetLastWriteTimeUtc(file)))];
    }
}
