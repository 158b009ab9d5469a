using Peft.Tokenizers.Tests.Chat;
using Peft.Tokenizers.Tests.Limits;

namespace Peft.Models.Tests.Limits;

/// <summary>Thousands of changed inputs: no exception but the library's own, not more than 5 seconds, not more than a gigabyte (<see cref="Cost"/>).</summary>
public sealed class FuzzTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("peft-fuzz-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void Model_configurations_and_generation_settings()
    {
        var mutations = new Mutations(3);
        var models = ConfigFields.ModelTypes.Select(type => ConfigFields.Base(type).ToString()).ToArray();
        var failed = Cost.Refused(3000, () =>
        {
            var bad = mutations.Json(mutations.Pick(models));
            return (bad, () =>
            {
                var config = ModelConfig.Parse(bad);
                new ModelRegistry().Describe(config);
                _ = (config.LabelCount, config.Labels.Count, config.PadTokenId, config.Ids("eos_token_id").Count);
            }
            );
        });
        failed.ShouldBeInRange(300, 2900);

        const string generation = """{"max_new_tokens": 5, "max_length": 20, "min_length": 0, "do_sample": true, "temperature": 0.7, "top_k": 50, "top_p": 0.9, "eos_token_id": [1, 2], "bad_words_ids": [[1, 2]], "sequence_bias": [[[1], 0.5]], "suppress_tokens": [3], "forced_eos_token_id": 2, "exponential_decay_length_penalty": [5, 1.1], "num_beams": 1, "early_stopping": "never", "stop_strings": ["a"], "no_repeat_ngram_size": 2, "guidance_scale": 1.0}""";
        failed = Cost.Refused(3000, () =>
        {
            var bad = mutations.Json(generation);
            return (bad, () => GenerationFile.Read(ModelConfig.Parse(bad)));
        });
        failed.ShouldBeInRange(300, 2900);
    }

    [Fact]
    public void Conversations()
    {
        var mutations = new Mutations(13);
        var tokenizer = Tokenizer.FromPretrained(Reference.Stories);
        tokenizer.ChatTemplate = ChatTemplate.Parse(ChatData.Template("chatml"));
        const string conversation = """{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}], "tools": null, "documents": [{"text": "a"}]}""";
        var file = Path.Combine(folder, "chats.jsonl");
        var failed = Cost.Refused(1000, () =>
        {
            var bad = mutations.Json(conversation);
            File.WriteAllText(file, bad);
            return (bad, () => ChatDataset.FromFile(file, tokenizer));
        });
        failed.ShouldBeInRange(100, 990);
    }
}
