using Microsoft.Extensions.AI;
using Peft.Tokenizers.Tests.Limits;

namespace Peft.Models.Tests.Limits;

/// <summary>The JSON files of a model's folder in every bad state: each ends in the named exception of its reader, which names the file.</summary>
public sealed class ModelFileTests : IDisposable
{
    private static readonly string[] Files = ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.json"];

    private readonly string folder = Directory.CreateTempSubdirectory("peft-files-").FullName;

    public ModelFileTests()
    {
        foreach (var path in Directory.GetFiles(Reference.Stories)) File.Copy(path, Path.Combine(folder, Path.GetFileName(path)));
        File.WriteAllText(Path.Combine(folder, "chat_template.json"), """{"chat_template": "{{ messages | length }}"}""");
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    public static TheoryData<string, string> States
    {
        get
        {
            var result = new TheoryData<string, string>();
            foreach (var file in Files)
                foreach (var state in new[] { "duplicate", "nested duplicate", "half a pair", "half a pair in a name", "folder", "dangling link", "endless", "not an object", "null", "cut", "not UTF-8", "deep" })
                    result.Add(file, state);
            return result;
        }
    }

    [Theory, MemberData(nameof(States))]
    public void A_file_in_a_bad_state_is_refused_by_name(string file, string state)
    {
        if (state is "dangling link" or "endless" && OperatingSystem.IsWindows()) return;
        Open().ShouldBeNull();
        var path = Path.Combine(folder, file);
        var good = File.ReadAllText(path).TrimEnd();
        File.Delete(path);
        switch (state)
        {
            case "folder": Directory.CreateDirectory(path); break;
            case "dangling link": File.CreateSymbolicLink(path, Path.Combine(folder, "nowhere")); break;
            case "endless": File.CreateSymbolicLink(path, "/dev/zero"); break;
            case "not UTF-8": File.WriteAllBytes(path, [.. System.Text.Encoding.UTF8.GetBytes(good[..^1] + ",\"x\":\""), 0xff, .. "\"}"u8]); break;
            default:
                File.WriteAllText(path, state switch
                {
                    "duplicate" => good[..^1] + ""","x":1,"x":2}""",
                    "nested duplicate" => good[..^1] + ""","x":[{"y":1,"y":1}]}""",
                    "half a pair" => good[..^1] + ""","x":"\ud800"}""",
                    "half a pair in a name" => good[..^1] + ""","\udc00":1}""",
                    "not an object" => $"[{good}]",
                    "null" => "null",
                    "cut" => good[..^1],
                    _ => good[..^1] + ",\"x\":" + string.Concat(Enumerable.Repeat("[", 100_000)),
                });
                break;
        }
        var failure = Open();
        failure.ShouldNotBeNull();
        failure.Message.ShouldContain(file);
    }

    // Numbers beyond their type, and what is no number.
    [Theory]
    [InlineData("config.json", "num_hidden_layers", "65536", "ResourceLimits.MaxLayers is 1,024")]
    [InlineData("config.json", "num_hidden_layers", "4294967297", "num_hidden_layers")]
    [InlineData("config.json", "num_hidden_layers", "2147483647", "ResourceLimits.MaxLayers")]
    [InlineData("config.json", "vocab_size", "2147483647000", "vocab_size")]
    [InlineData("config.json", "vocab_size", "1e300", "vocab_size")]
    [InlineData("config.json", "vocab_size", "1e400", "vocab_size")]
    [InlineData("config.json", "vocab_size", "null", "vocab_size")]
    [InlineData("config.json", "hidden_size", "2147483647", "GiB")]
    [InlineData("config.json", "intermediate_size", "2147483647", "")]
    [InlineData("config.json", "num_attention_heads", "2147483647", "")]
    [InlineData("config.json", "num_attention_heads", "0", "num_attention_heads")]
    [InlineData("config.json", "rms_norm_eps", "1e400", "rms_norm_eps")]
    [InlineData("config.json", "eos_token_id", "[1, null]", "eos_token_id")]
    [InlineData("generation_config.json", "max_new_tokens", "4294967301", "max_new_tokens")]
    [InlineData("generation_config.json", "top_k", "4294967346", "top_k")]
    [InlineData("generation_config.json", "suppress_tokens", "[4294967297]", "suppress_tokens")]
    [InlineData("generation_config.json", "exponential_decay_length_penalty", "[1e300, 1.1]", "exponential_decay_length_penalty")]
    [InlineData("tokenizer_config.json", "model_max_length", "\"long\"", "model_max_length")]
    [InlineData("tokenizer_config.json", "added_tokens_decoder", "{\"99999999999\": {\"content\": \"a\"}}", "added_tokens_decoder")]
    public void A_field_that_makes_no_sense_is_named(string file, string field, string value, string expected)
    {
        var path = Path.Combine(folder, file);
        var root = System.Text.Json.Nodes.JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        root[field] = "put here";
        File.WriteAllText(path, root.ToJsonString().Replace("\"put here\"", value, StringComparison.Ordinal));
        var failure = Open();
        failure.ShouldNotBeNull();
        failure.Message.ShouldContain(expected);
    }

    [Fact]
    public void A_file_larger_than_its_limit_is_refused_and_read_where_the_limit_is_raised()
    {
        foreach (var (file, limits, name, options) in new (string, ResourceLimits, string, string)[]
        {
            ("config.json", new() { MaxConfigBytes = 10 }, nameof(ResourceLimits.MaxConfigBytes), nameof(LoadOptions)),
            ("tokenizer.json", new() { MaxTokenizerBytes = 10 }, nameof(ResourceLimits.MaxTokenizerBytes), nameof(PretrainedOptions)),
        })
        {
            var failure = Open(limits);
            failure.ShouldNotBeNull();
            failure.Message.ShouldContain(file);
            failure.Message.ShouldContain($"{nameof(ResourceLimits)}.{name} is 10: raise it in {options}.{nameof(PretrainedOptions.Limits)}");
        }
        Open().ShouldBeNull();
    }

    private PeftException? Open(ResourceLimits? limits = null) => Cost.Of(
        () =>
        {
            var options = new LoadOptions { Limits = limits };
            using var model = limits?.MaxTokenizerBytes == 10 ? null : CausalLM.FromPretrained(folder, options);
            if (model is not null) GenerationFile.Read(model.GenerationDefaults);
            if (model is not null) _ = (model.Config.Ids("eos_token_id"), model.Config.PadTokenId);
            ChatMessage[] nothing = [];
            Tokenizer.FromPretrained(folder, options).ChatTemplate!.Render(nothing).ShouldBe("0");
        },
        () => folder);
}
