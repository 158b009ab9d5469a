using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using static TorchSharp.torch;

namespace Peft.Alignment.Tests;

public sealed class PreparationTests
{
    [Fact]
    public void A_prompt_never_ends_inside_of_a_character()
    {
        // Both emoji have the same first UTF-16 unit.
        var pair = PreferenceDataset.FromRows([new() { ["chosen"] = "Hi 😀", ["rejected"] = "Hi 😁" }], Chats.Tokenizer()).Pairs.Single();
        Chats.Text(pair.Chosen.Prompt).ShouldBe("<|begin_of_text|>Hi");
        Chats.Text(pair.Chosen.Completion).ShouldBe(" 😀<|im_end|>");
        Chats.Text(pair.Rejected.Completion).ShouldBe(" 😁<|im_end|>");
    }

    [Fact]
    public void The_text_of_a_prompt_beside_whole_conversations_is_not_repeated()
    {
        var row = Chats.Row($$"""{"prompt": "Hello.", "chosen": [{{Chats.Message("user", "Hello.")}}, {{Chats.Message("assistant", "Hi!")}}], "rejected": [{{Chats.Message("user", "Hello.")}}, {{Chats.Message("assistant", "No.")}}]}""");
        var pair = PreferenceDataset.FromRows([row], Chats.Tokenizer()).Pairs.Single();
        Chats.Text(pair.Chosen.Prompt).ShouldBe("<|im_start|>user\nHello.<|im_end|>\n<|im_start|>assistant\n");
        Chats.Text(pair.Chosen.Completion).ShouldBe("Hi!<|im_end|>\n");
        Chats.Text(RewardDataset.FromRows([row], Chats.Tokenizer()).Pairs.Single().Rejected).ShouldBe("<|im_start|>user\nHello.<|im_end|>\n<|im_start|>assistant\nNo.<|im_end|>\n");
    }

    [Fact]
    public void Tools_and_variables_of_a_row_reach_the_template()
    {
        var messages = $"[{Chats.Message("user", "Hello.")}]";
        var list = PromptDataset.FromRows([Chats.Row("{\"prompt\": " + messages + """, "tools": [{"name": "add"}], "chat_template_kwargs": {"polite": true}}""")], Chats.Tokenizer());
        var text = PromptDataset.FromRows([Chats.Row("{\"prompt\": " + messages + """, "tools": "[{\"name\": \"add\"}]", "chat_template_kwargs": {"polite": true}}""")], Chats.Tokenizer());
        foreach (var dataset in new[] { list, text })
        {
            using var batch = dataset.GetBatch([0]);
            Chats.Text(batch.InputIds.data<long>().ToArray()).ShouldBe("""<tools>[{"name": "add"}]</tools>""" + "<|im_start|>user\nHello.<|im_end|>\n<|im_start|>assistant\nPlease: ");
        }
    }

    [Fact]
    public void From_and_value_become_role_and_content_in_every_field()
    {
        var row = Chats.Row("""{"conversations": [{"from": "human", "value": "Hello."}, {"from": "gpt", "value": "Hi!"}]}""");
        Chats.Text(Ids(SftDataset.FromRows([row], Chats.Tokenizer()))).ShouldBe("<|im_start|>user\nHello.<|im_end|>\n<|im_start|>assistant\nHi!<|im_end|>\n");
        row["conversations"]![0]!["from"]!.GetValue<string>().ShouldBe("human");   // the caller's row is not changed
        var pair = Chats.Row("""{"prompt": [{"from": "human", "value": "Hello."}], "chosen": [{"from": "gpt", "value": "Hi!"}], "rejected": [{"from": "gpt", "value": "No."}]}""");
        Chats.Text(PreferenceDataset.FromRows([pair], Chats.Tokenizer()).Pairs[0].Chosen.Completion).ShouldBe("Hi!<|im_end|>\n");
    }

    // The tokens and labels of TRL's PRM trainer.
    [Theory, InlineData(false, null), InlineData(true, null), InlineData(false, 4)]
    public void The_last_token_of_each_separator_bears_the_label_of_its_step(bool lastStepOnly, int? promptLength)
    {
        var tokenizer = Chats.Tokenizer();
        var dataset = StepwiseDataset.FromRows(
        [
            Chats.Row("""{"prompt": "What is 2 + 3 + 4?", "completions": ["2 + 3 is 5.", "5 + 4 is 8."], "labels": [true, false]}"""),
            Chats.Row("""{"prompt": "Why?", "completions": ["So."], "labels": [true]}"""),
        ], tokenizer, new() { StepSeparator = " <> ", LastStepOnly = lastStepOnly, MaxPromptLength = promptLength });
        using var batch = dataset.GetBatch([1, 0]);
        int[] Ids(string text) => [.. tokenizer.Encode(text, addSpecialTokens: false)];
        int[] separator = Ids(" <> "), prompt = [tokenizer.BeginOfSequenceId!.Value, .. Ids("What is 2 + 3 + 4?")];
        separator.Length.ShouldBeGreaterThan(1);
        if (promptLength is { } most) prompt = [prompt[0], .. prompt[^(most - 1)..]];
        int[] first = [.. Ids("2 + 3 is 5."), .. separator], second = [.. Ids("5 + 4 is 8."), .. separator];
        batch.InputIds[1].data<long>().ToArray().ShouldBe([.. prompt.Concat(first).Concat(second).Select(id => (long)id)]);
        long[] Unlabelled(int count) => [.. Enumerable.Repeat(-100L, count)];
        batch.Labels![1].data<long>().ToArray().ShouldBe([.. Unlabelled(prompt.Length + first.Length - 1), lastStepOnly ? -100 : 1, .. Unlabelled(second.Length - 1), 0]);
        batch.AttentionMask!.sum(dim: 1).data<long>().ToArray().ShouldBe([dataset.LengthOf(1), dataset.LengthOf(0)]);
        batch.Weight.ShouldBe(lastStepOnly ? 2 : 3);
    }

    [Fact]
    public void Steps_beyond_the_maximum_length_are_cut_off()
    {
        var row = Chats.Row("""{"prompt": "Why?", "completions": ["Because.", "So it is, and so it will be."], "labels": [true, false]}""");
        var whole = StepwiseDataset.FromRows([row], Chats.Tokenizer());
        var cut = StepwiseDataset.FromRows([row], Chats.Tokenizer(), new() { MaxLength = whole.LengthOf(0) - 1 });
        (cut.TruncatedRows, cut.LengthOf(0)).ShouldBe((1, whole.LengthOf(0) - 1));
        cut.GetBatch([0]).Weight.ShouldBe(1);
        Should.Throw<DatasetException>(() => StepwiseDataset.FromRows([row], Chats.Tokenizer(), new() { MaxLength = 2 })).Message.ShouldContain("raise MaxLength");
    }

    [Fact]
    public void Prompts_are_padded_on_the_left_and_keep_their_other_fields()
    {
        var dataset = PromptDataset.FromRows([new() { ["prompt"] = "Why?", ["answer"] = "42" }, new() { ["prompt"] = "What colour is the sky?" }], Chats.Tokenizer());
        using var batch = dataset.GetBatch([1, 0]);
        var width = batch.InputIds.shape[1];
        width.ShouldBe(dataset.LengthOf(1));
        batch.AttentionMask!.sum(dim: 1).data<long>().ToArray().ShouldBe([width, dataset.LengthOf(0)]);
        batch.AttentionMask[1].data<long>().ToArray().ShouldBe([.. Enumerable.Repeat(0L, (int)width - dataset.LengthOf(0)), .. Enumerable.Repeat(1L, dataset.LengthOf(0))]);
        var rows = batch.Extra["rows"].data<long>().ToArray();
        rows.ShouldBe([1L, 0]);
        dataset.RowOf((int)rows[1])["answer"]!.GetValue<string>().ShouldBe("42");
        batch.Fields!.Select(each => (string?)each["answer"]).ShouldBe([null, "42"]);
        Chats.Text(batch.InputIds[1].data<long>().ToArray()[^dataset.LengthOf(0)..]).ShouldBe("<|begin_of_text|>Why?");
    }

    // The prompt is given, or it is the common beginning of all three.
    [Theory, InlineData(true), InlineData(false)]
    public void Tpo_learns_from_pairs_with_a_reference(bool hasPrompt)
    {
        using var scope = TorchSharp.torch.NewDisposeScope();
        JsonObject Row(string question, string yes, string no, string gold)
            => hasPrompt ? new() { ["prompt"] = question, ["chosen"] = yes, ["rejected"] = no, ["reference"] = gold } : new() { ["chosen"] = question + yes, ["rejected"] = question + no, ["reference"] = question + gold };
        JsonObject[] rows = [Row("Why?", "Because.", "No.", "It is so."), Row("Who?", "I.", "You, perhaps.", "Both of us.")];
        var triples = PreferenceDataset.FromRows(rows, Chats.Tokenizer(), new() { HasReference = true });
        using var batch = triples.GetBatch([0, 1]);
        batch.InputIds.size(0).ShouldBe(6);
        string Completion(int row) => Chats.Text(batch.InputIds[row].masked_select(batch.Extra["completion_mask"][row].ne(0)).data<long>().ToArray());
        Enumerable.Range(0, 6).Select(Completion).ShouldAllBe(text => text.EndsWith("<|im_end|>", StringComparison.Ordinal) || text.EndsWith("<|end_of_text|>", StringComparison.Ordinal));
        foreach (var (row, text) in new[] { (0, "Because."), (1, "I."), (2, "No."), (3, "You, perhaps."), (4, "It is so."), (5, "Both of us.") }) Completion(row).ShouldStartWith(text);

        using var model = Models.CausalLM.FromConfig(Models.ModelConfig.Parse($$"""{ "model_type": "llama", "vocab_size": {{Chats.Tokenizer().VocabularySize}}, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 64 }"""), seed: 1);
        using var peft = model.ApplyLora(rank: 2);
        double Loss(TrainingDataset data, Objective objective) => new Trainer(peft, data, new() { MaxSteps = 1, BatchSize = 2, LearningRate = 1e-9 }) { Objective = objective }.Train().Losses[0];
        var (whole, alone) = (Loss(triples, new TpoObjective(peft)), Loss(PreferenceDataset.FromRows(rows, Chats.Tokenizer()), new TpoObjective(peft, new() { TpoAlpha = 0 })));
        whole.ShouldBeGreaterThan(alone + 1);   // the cross-entropy of the references

        Should.Throw<DatasetException>(() => Loss(PreferenceDataset.FromRows([.. rows, .. rows, .. rows], Chats.Tokenizer()), new TpoObjective(peft))).Message.ShouldContain("HasReference");
        Should.Throw<DatasetException>(() => Loss(triples, new DpoObjective(peft))).Message.ShouldContain("third completion");
        rows[1].Remove("reference");
        Should.Throw<DatasetException>(() => PreferenceDataset.FromRows(rows, Chats.Tokenizer(), new() { HasReference = true })).Message.ShouldContain("reference");
        rows[1]["reference"] = "Something else.";
        if (!hasPrompt) Should.Throw<DatasetException>(() => PreferenceDataset.FromRows(rows, Chats.Tokenizer(), new() { HasReference = true })).Message.ShouldContain("does not begin");
    }

    [Fact]
    public void Long_prompts_are_dropped_if_asked()
    {
        var dataset = PromptDataset.FromRows([new() { ["prompt"] = "Why?" }, new() { ["prompt"] = "What colour is the sky?" }], Chats.Tokenizer(), new() { MaxLength = 6 });
        (dataset.Count, dataset.DroppedRows).ShouldBe((1, 1));
    }

    [Fact]
    public void Cut_and_dropped_rows_are_counted_and_logged()
    {
        var log = new Lines();
        JsonObject[] rows = [Chats.Pair("What colour is the sky? ", "It is blue.", "It is green."), Chats.Pair("Why? ", "Because.", "Nobody knows why."), Chats.Pair("Why? ", "So.", "No.")];
        var dataset = PreferenceDataset.FromRows(rows, Chats.Tokenizer(), new() { MaxLength = 10 }, log);
        (dataset.Count, dataset.TruncatedRows, dataset.DroppedRows).ShouldBe((2, 1, 1));
        log.Texts.ShouldContain("preference dataset: 1 rows were truncated and 1 rows dropped at a maximum length of 10 tokens.");
        using var batch = dataset.GetBatch([0, 1]);
        batch.InputIds.shape.ShouldBe([4L, 10]);
        batch.Tokens.ShouldBe(batch.AttentionMask!.sum().item<long>());
        dataset.LengthOf(0).ShouldBe(10);
        PreferenceDataset.FromRows(rows, Chats.Tokenizer(), new() { MaxLength = 10, Truncation = TruncationMode.KeepEnd }).DroppedRows.ShouldBe(0);
        var scored = RewardDataset.FromRows(rows, Chats.Tokenizer(), new() { MaxLength = 12 });
        (scored.Count, scored.TruncatedRows, scored.DroppedRows).ShouldBe((1, 0, 2));
        var unpaired = UnpairedDataset.FromRows(rows, Chats.Tokenizer(), new() { MaxLength = 10 });
        (unpaired.Count, unpaired.TruncatedRows, unpaired.DroppedRows, unpaired.DesirableRows, unpaired.UndesirableRows).ShouldBe((4, 1, 2, 2, 2));
        var supervised = SftDataset.FromRows([.. rows.Select(row => new JsonObject { ["prompt"] = row["prompt"]!.DeepClone(), ["completion"] = row["rejected"]!.DeepClone() })], Chats.Tokenizer(), new() { MaxLength = 10 });
        (supervised.Count, supervised.TruncatedRows, supervised.DroppedRows).ShouldBe((2, 1, 1));
    }

    [Fact]
    public void Pairs_that_differ_only_beyond_the_maximum_length_cause_a_warning()
        => PreferenceDataset.FromRows([Chats.Pair("Why? ", "It is blue, red.", "It is blue, green.")], Chats.Tokenizer(), new() { MaxLength = 7 }).Warnings.ShouldContain(warning => warning.Contains("in 1 pairs, chosen and rejected differ only beyond 7 tokens", StringComparison.Ordinal));

    [Fact]
    public void A_token_that_spans_prompt_and_completion_causes_a_warning()
    {
        var warnings = PreferenceDataset.FromRows([Chats.Pair("What colour is the sky? ", "It is blue.", "It is green.")], Chats.Tokenizer()).Warnings;
        warnings.Single().ShouldContain("in 2 rows (first: Row 0");
        PreferenceDataset.FromRows([Chats.Pair("Add 2 and 3.", " 5", " 23")], Chats.Tokenizer()).Warnings.ShouldBeEmpty();
    }

    [Fact]
    public void An_answer_without_an_end_causes_a_warning()
    {
        var endless = Chats.Tokenizer("{% for m in messages %}{{ m['role'] + ': ' }}{% generation %}{{ m['content'] }}{% endgeneration %}{{ '<|im_end|>' }}{% endfor %}");
        var row = Chats.Row($$"""{"messages": [{{Chats.Message("assistant", "Hi!")}}]}""");
        SftDataset.FromRows([row], endless, new() { AssistantOnly = true }).Warnings.Single().ShouldContain("does not learn to stop");
        SftDataset.FromRows([row], Chats.Tokenizer(), new() { AssistantOnly = true }).Warnings.ShouldBeEmpty();
    }

    [Fact]
    public void Assistant_and_completion_masks_combine()
    {
        var row = Chats.Row($$"""
            {"prompt": [{{Chats.Message("user", "Hello.")}}, {{Chats.Message("assistant", "Hi!")}}, {{Chats.Message("user", "Why?")}}], "completion": [{{Chats.Message("assistant", "So.")}}, {{Chats.Message("user", "OK.")}}]}
            """);
        Learned(new() { AssistantOnly = true }).ShouldBe("So.<|im_end|>");
        Learned(new() { AssistantOnly = true, CompletionOnly = false }).ShouldBe("Hi!<|im_end|>So.<|im_end|>");
        Learned(new()).ShouldBe("So.<|im_end|>\n<|im_start|>user\nOK.<|im_end|>\n");

        string Learned(SftDatasetOptions options) => Chats.Text(Labels(SftDataset.FromRows([row], Chats.Tokenizer(), options)).Where(label => label >= 0));
    }

    [Fact]
    public void Mismatched_completions_follow_the_rows_of_the_batch()
    {
        var dataset = UnpairedDataset.FromRows([.. Enumerable.Range(1, 4).Select(i => new JsonObject { ["prompt"] = "Why? ", ["completion"] = $"{i}", ["label"] = i > 2 })], Chats.Tokenizer());
        using var batch = dataset.GetBatch([3, 0, 2]);
        using var first = dataset.GetBatch([0]);
        using var third = dataset.GetBatch([2]);
        Completions(batch, "").ShouldBe(["4<|im_end|>", "1<|im_end|>", "3<|im_end|>"]);
        Completions(batch, "KL_").ShouldBe(["3<|im_end|>", "4<|im_end|>", "1<|im_end|>"]);
        Completions(first, "KL_").ShouldBe(["4<|im_end|>"], "a row alone takes that of the dataset's row before it");
        Completions(third, "KL_").ShouldBe(["2<|im_end|>"]);
        batch.Extra["label"].data<bool>().ToArray().ShouldBe([true, false, true]);

        static IEnumerable<string> Completions(Batch batch, string prefix)
        {
            var ids = prefix.Length == 0 ? batch.InputIds : batch.Extra["KL_input_ids"];
            var mask = batch.Extra[prefix + "completion_mask"];
            return Enumerable.Range(0, (int)ids.shape[0]).Select(i => Chats.Text(ids[i].masked_select(mask[i].to_type(ScalarType.Bool)).data<long>().ToArray())).ToList();
        }
    }

    [Fact]
    public void Packing_loses_no_token_and_needs_fewer_rows()
    {
        JsonObject[] rows = [.. Enumerable.Range(0, 40).Select(i => new JsonObject { ["prompt"] = "Add 2 and 3.", ["completion"] = string.Concat(Enumerable.Repeat(" 5", 1 + i % 7)) })];
        var plain = SftDataset.FromRows(rows, Chats.Tokenizer());
        foreach (var strategy in new[] { PackingStrategy.BestFit, PackingStrategy.BestFitSplit, PackingStrategy.Wrapped })
        {
            var packed = SftDataset.FromRows(rows, Chats.Tokenizer(), new() { Packing = strategy, MaxLength = 64 });
            packed.Count.ShouldBeLessThan(plain.Count);
            Enumerable.Range(0, packed.Count).Max(packed.LengthOf).ShouldBeLessThanOrEqualTo(64);
            Tokens(packed).ShouldBe(Tokens(plain));
            using var batch = packed.GetBatch([0, 1]);
            (batch.PackedLengths is null).ShouldBe(strategy == PackingStrategy.Wrapped);
        }

        static long[] Tokens(SftDataset dataset) => [.. Enumerable.Range(0, dataset.Count).SelectMany(row => Ids(dataset, row)).Order()];
    }

    private static long[] Ids(SftDataset dataset, int row = 0)
    {
        using var batch = dataset.GetBatch([row]);
        return batch.InputIds.data<long>().ToArray();
    }

    private static long[] Labels(SftDataset dataset)
    {
        using var batch = dataset.GetBatch([0]);
        return batch.Labels!.data<long>().ToArray();
    }

    private sealed class Lines : ILogger
    {
        public List<string> Texts { get; } = [];

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => Texts.Add(formatter(state, exception));
    }
}
