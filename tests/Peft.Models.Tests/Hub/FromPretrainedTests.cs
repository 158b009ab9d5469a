using Peft.Hub.Tests;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Models.Tests.Hub;

public sealed class FromPretrainedTests : HubFixture
{
    private const string Branch = "refs/pr/1";

    private LoadOptions FromHub => new() { Hub = Options, Revision = Branch };

    private void Publish(string repository, string folder)
    {
        (Hub.Repository, Hub.Main) = (repository, FakeHub.Commit);
        Hub.Small.Clear();
        Hub.Large.Clear();
        foreach (var path in Directory.GetFiles(folder)) (path.EndsWith(".safetensors", StringComparison.Ordinal) ? Hub.Large : Hub.Small).Add(Path.GetFileName(path), File.ReadAllBytes(path));
    }

    [Fact]
    public void A_language_model_and_its_tokenizer_come_from_the_hub()
    {
        Publish("org/stories", Reference.Stories);
        using var model = CausalLM.FromPretrained("org/stories", FromHub);
        using var local = CausalLM.FromPretrained(Reference.Stories);
        model.NameOrPath.ShouldBe("org/stories");
        local.NameOrPath.ShouldBe(Reference.Stories);
        using var ids = tensor(new long[,] { { 1, 403, 407 } });
        using var one = model.call(ids);
        using var other = local.call(ids);
        one.data<float>().ToArray().ShouldBe(other.data<float>().ToArray());
        Tokenizer.FromPretrained("org/stories", FromHub).Encode("Once upon a time").ShouldBe(Tokenizer.FromPretrained(Reference.Stories).Encode("Once upon a time"));
        Hub.Paths.ShouldContain("GET /api/models/org/stories/revision/refs%2Fpr%2F1");
        File.ReadAllText(Path.Combine(Cache, "models--org--stories", "refs", "refs", "pr", "1")).ShouldBe(FakeHub.Commit);
    }

    [Fact]
    public void A_classifier_comes_from_the_hub()
    {
        Publish("tiny", Reference.Folder("llama-seqcls"));
        using var model = SequenceClassifier.FromPretrained("tiny", FromHub);
        model.NameOrPath.ShouldBe("tiny");
        Directory.Exists(Path.Combine(Cache, "models--tiny")).ShouldBeTrue();
    }

    [Fact]
    public void A_tokenizer_alone_does_not_fetch_the_weights()
    {
        Publish("org/stories", Reference.Stories);
        Tokenizer.FromPretrained("org/stories", FromHub).VocabularySize.ShouldBe(512);
        Hub.Requests.ShouldNotContain(request => request.Address.AbsolutePath.EndsWith(".safetensors", StringComparison.Ordinal) || request.Address.AbsolutePath.EndsWith("/config.json", StringComparison.Ordinal));
    }

    [Fact]
    public void An_adapter_from_the_hub_is_one_line()
    {
        var saved = Path.Combine(Cache, "saved");
        using (var trained = CausalLM.FromPretrained(Reference.Stories))
        using (var peft = trained.ApplyAdapter(new TrainableTokensOptions { TokenIndices = [1, 2] })) peft.SaveAdapter(saved);
        Publish("org/adapter", saved);

        using var model = CausalLM.FromPretrained(Reference.Stories);
        using var hub = new HubClient(Options);
        using var adapted = model.ApplyAdapter(hub.DownloadAdapter("org/adapter"));
        adapted.Status().ShouldNotBeEmpty();
    }

    [Fact]
    public void A_folder_wins_over_an_id()
    {
        using var model = CausalLM.FromPretrained(Reference.Stories, new LoadOptions { Hub = Options });
        Hub.Requests.ShouldBeEmpty();
    }

    [Fact]
    public void A_name_that_is_neither_says_both()
    {
        var error = Should.Throw<HubException>(() => CausalLM.FromPretrained("modles/stories260K", FromHub));
        error.Reason.ShouldBe(HubError.RepositoryNotFound);
        error.Message.ShouldContain("folder 'modles/stories260K' does not exist");
        Should.Throw<ModelFolderException>(() => CausalLM.FromPretrained("./modles/stories260K", FromHub));
        Hub.Requests.ShouldHaveSingleItem();
    }

    [Fact]
    public void Options_do_not_show_the_token()
        => FromHub.ToString().ShouldNotContain("secret");
}
