namespace Peft.Cli.Tests;

/// <summary>Errors name what was given and advise in terms of the command line.</summary>
public sealed class MessageTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("peft: --device: 'gpu' is not a device. Devices are cpu, cuda and cuda:N, with the number N of a GPU from 0 on: use cuda for a GPU.", "generate", "hello", "--device", "gpu")]
    [InlineData("peft: --device: 'cuda:x' is not a device. Devices are cpu, cuda and cuda:N, with the number N of a GPU from 0 on.", "generate", "hello", "--device", "cuda:x")]
    [InlineData("'nf5' is not a kind of quantization.", "generate", "hello", "-q", "nf5")]
    [InlineData("--top-p must be above 0 and at most 1, but is 2.", "generate", "hello", "--top-p", "2")]
    [InlineData("--temperature must be above 0", "generate", "hello", "--temperature", "-1")]
    [InlineData("pass --temperature 0.", "generate", "hello", "--temperature", "-1")]
    [InlineData("--max-new-tokens must be at least 1, but is 0.", "generate", "hello", "--max-new-tokens", "0")]
    [InlineData("--rank must be at least 1, but was 0.", "train", "-d", "TEXT", "--rank", "0")]
    [InlineData("--dropout must be at least 0 and below 1, but was 2.", "train", "-d", "TEXT", "--dropout", "2")]
    [InlineData("matches --targets 'foo'", "train", "-d", "TEXT", "--targets", "foo")]
    [InlineData("--learning-rate must be above 0, but was -1.", "train", "-d", "TEXT", "--block-size", "64", "--lr", "-1")]
    [InlineData("--load-best requires rows to evaluate on: name them by --eval-data, --eval-split or --eval-share.", "train", "-d", "TEXT", "--block-size", "64", "--load-best")]
    [InlineData("--patience is 2, but no rows to evaluate on are named by --eval-data", "train", "-d", "TEXT", "--block-size", "64", "--patience", "2")]
    [InlineData("use a smaller --block-size or more text.", "train", "-d", "TEXT", "--block-size", "100000")]
    [InlineData("raise --max-length or shorten the prompts.", "dpo", "-d", "PAIRS", "--max-length", "3")]
    [InlineData("Pairs are for `peft dpo`, `kto` and `reward`.", "sft", "-d", "PAIRS")]
    [InlineData("is a single file, which has no split 'test': leave out --split.", "sft", "-d", "PAIRS", "--split", "test")]
    [InlineData("is a single file, which has no split 'test': leave out --eval-split", "dpo", "-d", "PAIRS", "--eval-split", "test")]
    [InlineData("init_lora_weights=corda computes the factors from samples or weights", "train", "-d", "TEXT", "--set", "init_lora_weights=corda")]
    [InlineData("--batch-size must be at least 1, but was 0.", "eval", "-d", "TEXT", "--block-size", "64", "--batch-size", "0")]
    public async Task A_message_names_the_option(string expected, params string[] args)
    {
        var output = args[0] is "generate" or "eval" ? Array.Empty<string>() : ["-o", folder["out"]];
        var run = await Tool.RunAsync([.. args.Select(each => each == "TEXT" ? Tool.Text : each == "PAIRS" ? Tool.Data("pairs.jsonl") : each), "-m", Tool.Model, .. output]);
        run.Code.ShouldBe(1);
        run.Error.ShouldContain(expected);
    }

    [Fact]
    public async Task Combine_names_the_folders_that_were_given()
    {
        foreach (var (name, more) in new[] { ("first", Array.Empty<string>()), ("second", ["--rank", "2"]), ("dora", ["--set", "use_dora=true"]), ("loha", ["--method", "loha", "--set", "r=2"]) })
            (await Tool.RunAsync(["train", "-m", Tool.Model, "-d", Tool.Text, "--block-size", "64", "--batch-size", "2", "--max-steps", "1", "-o", folder[name], .. more])).Code.ShouldBe(0);
        await Refused($"Adapter '{folder["loha"]}' is of method LOHA", "loha", "cat");
        await Refused($"Adapter '{folder["dora"]}' has more than LoRA factors", "dora", "cat");
        await Refused("Use --kind cat or an svd kind.", "second", "linear");
        await Refused("--kind Ties needs --density.", "second", "ties");
        await Refused("--rank applies to the svd kinds only, but --kind is Cat.", "second", "cat", "--rank", "3");
        await Refused($"The weight of {folder["second"]} must be a number, but was 'much'.", "second", "cat", weight: ":much");
        await Refused("must be a number, but was '1e400'.", "second", "cat", weight: ":1e400");

        // What an export cannot take, and what does the same.
        var lora = await Tool.RunAsync("convert", folder["dora"], "--to", "lora", "-o", folder["none"]);
        lora.Error.ShouldContain("DoRA is not supported by readers of plain LoRA. Merge the adapter (`peft merge`) and use the model.");
        (await Tool.RunAsync("export", "-a", folder["dora"], "--format", "gguf_lora", "--check")).Output.ShouldContain("(`peft merge`)");

        async Task Refused(string expected, string other, string kind, string? option = null, string? value = null, string weight = "")
        {
            var run = await Tool.RunAsync(["combine", folder["first"], folder[other] + weight, "--kind", kind, "-o", folder["none"], .. option is null ? Array.Empty<string>() : [option, value!]]);
            run.Code.ShouldBe(1);
            run.Error.ShouldContain(expected);
            Path.Exists(folder["none"]).ShouldBeFalse();
        }
    }
}
