using Microsoft.Extensions.AI;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Alignment.Tests.Online;

/// <summary>Completions that call tools, of a policy that follows a script.</summary>
public class ToolTests
{
    private const string Template = "{% if tools %}<tools>{{ tools | tojson }}</tools>{% endif %}{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}{% if m['tool_calls'] %}{% for c in m['tool_calls'] %}{{ '<tool_call>' + (c['function'] | tojson) + '</tool_call>' }}{% endfor %}"
        + "{% else %}{{ m['content'] }}{% endif %}{{ '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

    private static readonly Tokenizer Tokenizer = Chats.Tokenizer(Template);
    private static readonly int End = Tokenizer.TokenToId("<|im_end|>")!.Value;

    private static readonly AIFunction Add = AIFunctionFactory.Create((int a, int b) => a + b, "add");
    private static readonly AIFunction Slow = AIFunctionFactory.Create(async (string city) =>
    {
        await Task.Yield();
        return city == "nowhere" ? throw new InvalidOperationException("no such city") : $"sun in {city}";
    }, "weather");

    private static RolloutOptions Options => new() { Rewards = [RewardFunction.Of("one", _ => 1)], Tokenizer = Tokenizer, Tools = [Add, Slow], MaxCompletionLength = 400, Generations = 2 };

    private static int[] Ids(string text) => [.. Tokenizer.Encode(text, addSpecialTokens: false)];

    private static string Text(IEnumerable<int> ids) => Tokenizer.Decode([.. ids], skipSpecialTokens: false);

    private static Completion First(string answer) => new() { Row = 0, Prompt = Ids("<|im_start|>user\nhow?<|im_end|>\n<|im_start|>assistant\n"), Tokens = Ids(answer), IsTruncated = !answer.EndsWith("<|im_end|>") };

    // What the policy sees is recorded; it answers in the order of the script.
    private static IReadOnlyList<Completion> Run(RolloutOptions options, IReadOnlyList<string> firsts, List<string> seen, params string[] script)
    {
        var next = new Queue<string>(script);
        return new ToolRounds(options, 1000, [End], (prompts, most) =>
        {
            seen.AddRange(prompts.Select(Text));
            return [.. prompts.Select(_ => (IReadOnlyList<int>)[.. Ids(next.Dequeue()).Take(most)])];
        }).Run([.. firsts.Select(First)], default);
    }

    [Fact]
    public void Calls_are_answered_in_rounds_and_results_are_masked()
    {
        var seen = new List<string>();
        string call = """<tool_call>{"name": "add", "arguments": {"a": 2, "b": 3}}</tool_call><|im_end|>""", other = """Let me see. <tool_call>{"name": "weather", "arguments": {"city": "Rome"}}</tool_call><|im_end|>""";
        var completions = Run(Options, [call, "No tool needed.<|im_end|>", call], seen, other, "It is 5.<|im_end|>", "Sun!<|im_end|>");
        string five = "\n<|im_start|>tool\n5<|im_end|>\n<|im_start|>assistant\n", sun = "\n<|im_start|>tool\nsun in Rome<|im_end|>\n<|im_start|>assistant\n";
        Text(completions[0].Tokens).ShouldBe(call + five + other + sun + "Sun!<|im_end|>");
        Text(completions[1].Tokens).ShouldBe("No tool needed.<|im_end|>");
        Text(completions[2].Tokens).ShouldBe(call + five + "It is 5.<|im_end|>");
        seen.Count.ShouldBe(3);
        seen[2].ShouldBe(Text(completions[0].Prompt) + call + five + other + sun);

        Text(completions[0].Tokens.Zip(completions[0].IsResult!).Where(pair => pair.Second).Select(pair => pair.First)).ShouldBe(five + sun);
        completions[1].IsResult.ShouldBeNull();
        completions[0].ToolCalls.Select(each => each.Name).ShouldBe(["add", "weather"]);
        completions.ShouldAllBe(each => !each.IsTruncated && each.FailedToolCalls == 0);
        completions[2].Text!.ShouldContain("It is 5.");
    }

    [Fact]
    public void The_policy_sees_what_failed()
    {
        var seen = new List<string>();
        var completions = Run(Options, ["""<tool_call>{"name": "weather", "arguments": {"city": "nowhere"}}</tool_call><tool_call>{"name": "fly", "arguments": {}}</tool_call><|im_end|>"""], seen, "Sorry.<|im_end|>");
        seen.ShouldHaveSingleItem().ShouldSatisfyAllConditions(text => text.ShouldContain("""{"error":"no such city"}"""), text => text.ShouldContain("There is no tool"));
        (completions[0].ToolCalls.Count, completions[0].FailedToolCalls).ShouldBe((2, 2));
    }

    [Fact]
    public void Rounds_and_lengths_are_bounded()
    {
        var call = """<tool_call>{"name": "add", "arguments": {"a": 2, "b": 3}}</tool_call><|im_end|>""";
        var seen = new List<string>();
        var two = Run(Options with { MaxToolRounds = 2 }, [call], seen, call, call)[0];
        seen.Count.ShouldBe(2);
        two.ToolCalls.Count.ShouldBe(2, "the third is not run");
        two.IsTruncated.ShouldBeFalse();

        // No room for the result: the completion stays as it is.
        var length = Ids(call).Length;
        var full = Run(Options with { MaxCompletionLength = length + 3 }, [call], seen)[0];
        Text(full.Tokens).ShouldBe(call);
        full.IsResult.ShouldBeNull();
        // Room for a part of the answer.
        var result = Ids("\n<|im_start|>tool\n5<|im_end|>\n<|im_start|>assistant\n").Length;
        var cut = Run(Options with { MaxCompletionLength = length + result + 2 }, [call], seen, "It is certainly five.<|im_end|>")[0];
        cut.Tokens.Count.ShouldBe(length + result + 2);
        cut.IsTruncated.ShouldBeTrue();
        // An answer that was cut off calls nothing.
        Run(Options, [call[..^"<|im_end|>".Length]], seen)[0].ToolCalls.ShouldBeEmpty();
    }

    [Fact]
    public void The_loss_leaves_results_out_and_attends_to_them()
    {
        using var scope = NewDisposeScope();
        var completions = new[] { new Completion { Row = 0, Prompt = [3, 4], Tokens = [5, 6, 7, 2], IsTruncated = false, IsResult = [false, true, true, false] }, new Completion { Row = 0, Prompt = [3, 4], Tokens = [5, 2], IsTruncated = false } };
        using var batch = Sampling.ToBatch(completions, 0, masksTruncated: false, CPU);
        batch.Extra["tool_mask"].data<long>().ToArray().ShouldBe([1, 0, 0, 1, 1, 1, 1, 1]);
        batch.AttentionMask!.data<long>().ToArray().ShouldBe([1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0]);
        new Completions(batch).Mask.data<float>().ToArray().ShouldBe([1, 0, 0, 1, 1, 1, 0, 0]);
    }

    [Fact]
    public void Tools_train_with_grpo_and_are_refused_where_they_cannot_work()
    {
        using var scope = NewDisposeScope();
        using var model = Models.CausalLM.FromConfig(Models.ModelConfig.Parse($$"""
            {"model_type":"llama","vocab_size":{{Tokenizer.VocabularySize}},"hidden_size":16,"num_hidden_layers":1,"num_attention_heads":2,"intermediate_size":16,"max_position_embeddings":1024,"eos_token_id":{{End}},"pad_token_id":{{End}}}
            """), seed: 1);
        using var peft = model.ApplyLora(2);
        var prompts = PromptDataset.FromRows([Chats.Row("""{"prompt": [{"role": "user", "content": "how?"}]}""")], Tokenizer, new() { Template = new() { Tools = [Add] } });
        Trainer Run(Func<RolloutOptions, Objective> objective, RolloutOptions rollouts) => new(peft, prompts, new() { MaxSteps = 1, BatchSize = 1 }) { Objective = objective(rollouts) };
        var metrics = new List<IReadOnlyDictionary<string, double>>();
        var short8 = Options with { MaxCompletionLength = 8 };
        Run(rollouts => new GrpoObjective(peft, rollouts), short8).Train(new OnlineRuns.Reporter(step => metrics.Add(step.Metrics)));
        metrics[0]["tools/call_frequency"].ShouldBe(0);

        string Error(Func<RolloutOptions, Objective> objective, RolloutOptions rollouts) => Should.Throw<TrainingException>(() => Run(objective, rollouts).Train()).Message;
        Error(rollouts => new OnlineDpoObjective(peft, rollouts), short8).ShouldContain("Tools are for GRPO and RLOO only");
        Error(rollouts => new GrpoObjective(peft, rollouts), short8 with { Tokenizer = null }).ShouldContain("need a Tokenizer with a chat template");
        Error(rollouts => new GrpoObjective(peft, rollouts), short8 with { Tokenizer = Chats.Tokenizer() }).ShouldContain("no format of tool calls");
        Error(rollouts => new GrpoObjective(peft, rollouts), short8 with { Tools = [Add, Add], MaxToolRounds = 0 }).ShouldSatisfyAllConditions(message => message.ShouldContain("Two tools have the name 'add'"), message => message.ShouldContain("MaxToolRounds must be 1"));
    }
}
