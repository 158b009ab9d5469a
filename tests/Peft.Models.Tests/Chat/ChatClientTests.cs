using Microsoft.Extensions.AI;
using static TorchSharp.torch;

namespace Peft.Models.Tests.Chat;

public class ChatClientTests
{
    private const string Template = "{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant: {{ begin }}{% endif %}";
    private static readonly GenerationOptions Greedy = new() { DoSample = false, MaxNewTokens = 30 };
    private static readonly ChatMessage[] Question = [new(ChatRole.User, "Once upon a time")];

    [Fact]
    public async Task An_answer_is_what_the_model_generates_from_the_rendered_prompt()
    {
        using var model = CausalLM.FromPretrained(Reference.Stories);
        var tokenizer = Load();
        using var client = model.AsChatClient(tokenizer, Greedy);
        var prompt = tokenizer.ApplyChatTemplate(Question, new() { AddGenerationPrompt = true }).Ids;
        var expected = model.Generate(prompt, Greedy);

        var response = await client.GetResponseAsync(Question);

        response.Text.ShouldBe(tokenizer.Decode(expected));
        response.FinishReason.ShouldBe(ChatFinishReason.Length);
        response.Usage!.InputTokenCount.ShouldBe(prompt.Count);
        response.Usage.OutputTokenCount.ShouldBe(30);
        response.Usage.TotalTokenCount.ShouldBe(prompt.Count + 30);
        response.ModelId.ShouldBe("stories260K");
        response.Messages.ShouldHaveSingleItem().Role.ShouldBe(ChatRole.Assistant);
    }

    [Fact]
    public async Task Streamed_pieces_add_up_to_the_answer()
    {
        using var model = CausalLM.FromPretrained(Reference.Stories);
        using var client = model.AsChatClient(Load(), Greedy);
        var updates = new List<ChatResponseUpdate>();
        await foreach (var update in client.GetStreamingResponseAsync(Question)) updates.Add(update);

        string.Concat(updates.Select(update => update.Text)).ShouldBe((await client.GetResponseAsync(Question)).Text);
        updates.Count.ShouldBeGreaterThan(10);
        updates.Select(update => update.ResponseId).Distinct().Count().ShouldBe(1);
        updates[^1].FinishReason.ShouldBe(ChatFinishReason.Length);
    }

    [Fact]
    public async Task Stop_sequences_limits_and_end_tokens_end_an_answer()
    {
        using var model = CausalLM.FromPretrained(Reference.Stories);
        var tokenizer = Load();
        using var client = model.AsChatClient(tokenizer, Greedy);
        var whole = (await client.GetResponseAsync(Question)).Text;
        var stop = whole[8..11];

        var stopped = await client.GetResponseAsync(Question, new() { StopSequences = [stop] });
        stopped.Text.ShouldBe(whole[..whole.IndexOf(stop, StringComparison.Ordinal)]);
        stopped.FinishReason.ShouldBe(ChatFinishReason.Stop);

        (await client.GetResponseAsync(Question, new() { MaxOutputTokens = 4 })).Usage!.OutputTokenCount.ShouldBe(4);

        var first = model.Generate(tokenizer.ApplyChatTemplate(Question, new() { AddGenerationPrompt = true }).Ids, Greedy)[0];
        using var ending = model.AsChatClient(tokenizer, Greedy with { EndTokenIds = [first] });
        var ended = await ending.GetResponseAsync(Question);
        ended.FinishReason.ShouldBe(ChatFinishReason.Stop);
        ended.Usage!.OutputTokenCount.ShouldBe(1);
    }

    [Fact]
    public async Task A_seed_repeats_an_answer_and_a_temperature_of_0_takes_the_likeliest_tokens()
    {
        using var model = CausalLM.FromPretrained(Reference.Stories);
        using var client = model.AsChatClient(Load(), Greedy);
        async Task<string> Ask(ChatOptions options) => (await client.GetResponseAsync(Question, options)).Text;

        (await Ask(new() { Temperature = 1.5f, Seed = 3 })).ShouldBe(await Ask(new() { Temperature = 1.5f, Seed = 3 }));
        (await Ask(new() { Temperature = 1.5f, Seed = 3 })).ShouldNotBe(await Ask(new() { Temperature = 1.5f, Seed = 4 }));
        (await Ask(new() { Temperature = 0, Seed = 3 })).ShouldBe(await Ask(new()));
        (await Ask(new() { TopK = 1, Seed = 3 })).ShouldBe(await Ask(new()));
        (await Ask(new() { TopP = 0.9f, Seed = 5 })).ShouldBe(await Ask(new() { TopP = 0.9f, Seed = 5 }));
    }

    [Fact]
    public async Task Instructions_tools_and_additional_properties_reach_the_template()
    {
        using var model = CausalLM.FromPretrained(Reference.Stories);
        var tokenizer = Load();
        var short1 = Greedy with { MaxNewTokens = 1 };
        using var client = model.AsChatClient(tokenizer, short1);
        async Task<long?> Length(ChatOptions? options) => (await client.GetResponseAsync(Question, options)).Usage!.InputTokenCount;

        var expected = tokenizer.ApplyChatTemplate([new(ChatRole.System, "Be brief"), .. Question], new() { AddGenerationPrompt = true }).Ids.Count;
        (await Length(new() { Instructions = "Be brief" })).ShouldBe(expected);
        (await Length(new() { AdditionalProperties = new() { ["begin"] = "Well, the story goes" } }))!.Value.ShouldBeGreaterThan((await Length(null))!.Value);

        tokenizer.ChatTemplate = ChatTemplate.Parse("{{ bos_token }}{{ tools | map(attribute='function.name') | join(' ') if tools else '' }}");
        var tool = AIFunctionFactory.Create(() => 1, "tell_a_long_story");
        (await Length(new() { Tools = [tool] }))!.Value.ShouldBeGreaterThan(3);
        (await Length(new() { Tools = [tool], ToolMode = ChatToolMode.None })).ShouldBe(1);
    }

    [Fact]
    public async Task What_a_local_model_cannot_promise_is_refused()
    {
        using var model = CausalLM.FromPretrained(Reference.Stories);
        using var client = model.AsChatClient(Load(), Greedy);
        foreach (var options in new ChatOptions[] { new() { FrequencyPenalty = 1 }, new() { PresencePenalty = 1 }, new() { ResponseFormat = ChatResponseFormat.Json }, new() { ToolMode = ChatToolMode.RequireAny } })
            await Should.ThrowAsync<NotSupportedException>(async () => await client.GetResponseAsync(Question, options));
        (await Should.ThrowAsync<ArgumentException>(async () => await client.GetResponseAsync(Question, new() { MaxOutputTokens = 0 }))).Message.ShouldContain("MaxNewTokens");
        Should.Throw<ChatTemplateException>(() => model.AsChatClient(Tokenizer.FromPretrained(Reference.Stories)));
    }

    [Fact]
    public async Task A_cancelled_or_abandoned_answer_leaves_the_model_to_the_next_one()
    {
        using var model = CausalLM.FromPretrained(Reference.Stories);
        using var client = model.AsChatClient(Load(), Greedy with { MaxNewTokens = 400, EndTokenIds = [] });
        using var cancel = new CancellationTokenSource();
        var seen = 0;
        await Should.ThrowAsync<OperationCanceledException>(async () =>
        {
            await foreach (var _ in client.GetStreamingResponseAsync(Question, cancellationToken: cancel.Token))
                if (++seen == 3) await cancel.CancelAsync();
        });
        await foreach (var _ in client.GetStreamingResponseAsync(Question)) break;

        (await client.GetResponseAsync(Question, new() { MaxOutputTokens = 5 })).Usage!.OutputTokenCount.ShouldBe(5);
    }

    [Fact]
    public async Task Answers_asked_for_at_the_same_time_are_the_same_as_one_after_the_other()
    {
        using var model = CausalLM.FromPretrained(Reference.Stories);
        using var client = model.AsChatClient(Load(), Greedy);
        using var second = model.AsChatClient(Load(), Greedy);
        var alone = (await client.GetResponseAsync(Question)).Text;

        var together = await Task.WhenAll(Enumerable.Range(0, 6).Select(i => Task.Run(() => (i % 2 == 0 ? client : second).GetResponseAsync(Question))));

        together.ShouldAllBe(response => response.Text == alone);
    }

    [Fact]
    public void Services_are_the_model_its_tokenizer_and_what_is_said_of_them()
    {
        using var model = CausalLM.FromPretrained(Reference.Stories);
        var tokenizer = Load();
        using IChatClient client = model.AsChatClient(tokenizer);

        client.GetService<CausalLM>().ShouldBeSameAs(model);
        client.GetService<Tokenizer>().ShouldBeSameAs(tokenizer);
        client.GetService<CausalLMChatClient>().ShouldBeSameAs(client);
        client.GetService<ChatClientMetadata>()!.DefaultModelId.ShouldBe("stories260K");
        client.GetService<string>().ShouldBeNull();
        client.GetService(typeof(CausalLM), "other").ShouldBeNull();
    }

    [Fact]
    public async Task An_embedding_is_the_mean_of_the_last_hidden_states_whatever_stands_beside_it_in_the_batch()
    {
        using var model = CausalLM.FromPretrained(Reference.Stories);
        var tokenizer = Tokenizer.FromPretrained(Reference.Stories);
        using var generator = model.AsEmbeddingGenerator(tokenizer);

        var batch = await generator.GenerateAsync(["Once upon a time", "A much longer text about a little dog and a cat"]);

        using var scope = NewDisposeScope();
        using var mode = no_grad();
        var ids = tokenizer.Encode("Once upon a time").Select(id => (long)id).ToArray();
        var hidden = model.Backbone.call(new ModelInput { InputIds = tensor(ids, [1, ids.Length]) });
        var expected = hidden.mean([1]).data<float>().ToArray();
        // Padding beside a text changes the order of sums, no more.
        batch[0].Vector.ToArray().Zip(expected, (a, b) => Math.Abs(a - b)).Max().ShouldBeLessThan(1e-5f);
        batch.Count.ShouldBe(2);
        batch[1].Dimensions.ShouldBe(model.Spec.HiddenSize);
        batch.Usage!.InputTokenCount.ShouldBe(ids.Length + tokenizer.Encode("A much longer text about a little dog and a cat").Count);
        (await generator.GenerateAsync([])).ShouldBeEmpty();
        generator.GetService<EmbeddingGeneratorMetadata>()!.DefaultModelDimensions.ShouldBe(model.Spec.HiddenSize);
    }

    private static Tokenizer Load()
    {
        var tokenizer = Tokenizer.FromPretrained(Reference.Stories);
        tokenizer.ChatTemplate = ChatTemplate.Parse(Template);
        return tokenizer;
    }
}
