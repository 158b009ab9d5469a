using Peft.Models;
using QLora;

namespace Peft.Examples.Tests;

public sealed class QLoraTests : ExampleTests
{
    private const int Tokens = 256;

    private static Candidate Llama(string name, int hidden) => new(name, ModelConfig.Parse($$"""
        {"model_type": "llama", "hidden_size": {{hidden}}, "num_hidden_layers": 4, "num_attention_heads": 8, "num_key_value_heads": 4, "intermediate_size": {{4 * hidden}}, "vocab_size": 1000, "max_position_embeddings": 512}
        """));

    [Fact]
    public void The_largest_model_that_fits_is_chosen_in_the_most_precise_form_that_does()
    {
        Candidate small = Llama("small", 256), large = Llama("large", 1024);
        long Need(Candidate model, string precision) => model.Needs(Precision.All.Single(each => each.Name == precision), Tokens).Total;
        (string?, string?) Chosen(long available) => Choice.Of([small, large], Tokens, available) is { } choice ? (choice.Model.Name, choice.Precision.Name) : (null, null);
        Chosen(Need(large, "float32")).ShouldBe(("large", "float32"));
        Chosen(Need(large, "float32") - 1).ShouldBe(("large", "int8"));
        Chosen(Need(large, "NF4")).ShouldBe(("large", "NF4"));
        Chosen(Need(large, "NF4, double") - 1).ShouldBe(("small", "float32"));
        Chosen(Need(small, "NF4, double") - 1).ShouldBe((null, null));
    }

    [Fact]
    public void Training_on_weights_of_4_bits_learns_what_training_on_float32_does()
    {
        var model = new Candidate(Model, ModelConfig.FromFolder(Model));
        QLora.FineTuning Run(string precision) => QLora.FineTuning.Run(new(model, Precision.All.Single(each => each.Name == precision)), Path.Combine(Data, "tinyshakespeare"), 100, Work);
        var (expected, result) = (Run("float32"), Run("NF4"));
        result.After.ShouldBeLessThan(0.2 * result.Before);
        result.After.ShouldBe(expected.After, 0.02 * expected.After);
        File.Exists(Path.Combine(Work, "adapter_model.safetensors")).ShouldBeTrue();
    }

    [Fact]
    public void The_sizes_in_the_guide_are_those_that_are_computed()
    {
        var page = Path.Combine(Work, "quantization.md");
        var guide = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "docs", "quantization.md"));
        File.WriteAllText(page, guide);
        Sizes.Table().WriteTo(page, "sizes");
        File.ReadAllLines(page).ShouldBe(guide.TrimEnd('\n').Split('\n'));
    }

    [Theory, InlineData("1.5GB", 1_500_000_000), InlineData("700mb", 700_000_000)]
    public void Sizes_are_read(string text, long bytes) => ProcessMemory.Parse(text).ShouldBe(bytes);

    [Theory, InlineData("1.5"), InlineData("-1GB"), InlineData("GB"), InlineData("")]
    public void What_is_no_size_is_refused(string text) => Should.Throw<FormatException>(() => ProcessMemory.Parse(text)).Message.ShouldContain("is no size");
}
