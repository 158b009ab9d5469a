namespace Peft.Hub.Tests;

public sealed class SettingsTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("peft-hub-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private static HubSettings From(HubOptions options, params (string Name, string Value)[] variables)
        => HubSettings.From(options, variables.Append(("HOME", "/home/me")).ToDictionary().GetValueOrDefault);

    [Fact]
    public void The_cache_is_where_Pythons_client_has_it()
    {
        From(new()).CacheFolder.ShouldBe(Path.GetFullPath("/home/me/.cache/huggingface/hub"));
        From(new(), ("XDG_CACHE_HOME", "/xdg")).CacheFolder.ShouldBe(Path.GetFullPath("/xdg/huggingface/hub"));
        From(new(), ("XDG_CACHE_HOME", "/xdg"), ("HF_HOME", "~/hf")).CacheFolder.ShouldBe(Path.GetFullPath("/home/me/hf/hub"));
        From(new(), ("HF_HOME", "/hf"), ("HF_HUB_CACHE", "$HOME/c")).CacheFolder.ShouldBe(Path.GetFullPath("/home/me/c"));
        From(new(), ("HF_HOME", "/hf"), ("HUGGINGFACE_HUB_CACHE", "/old")).CacheFolder.ShouldBe(Path.GetFullPath("/old"));
        From(new() { CacheFolder = "/mine" }, ("HF_HUB_CACHE", "/c")).CacheFolder.ShouldBe(Path.GetFullPath("/mine"));
    }

    [Fact]
    public void The_token_comes_from_the_option_or_the_variable_or_a_file()
    {
        var file = Path.Combine(folder, "token");
        File.WriteAllText(file, " from-file\n");
        From(new(), ("HF_HOME", folder)).Token.ShouldBe("from-file");
        From(new(), ("HF_TOKEN_PATH", file)).Token.ShouldBe("from-file");
        From(new(), ("HF_HOME", folder), ("HF_TOKEN", "from-variable")).Token.ShouldBe("from-variable");
        From(new() { Token = "mine" }, ("HF_TOKEN", "from-variable")).Token.ShouldBe("mine");
        From(new() { Token = "" }, ("HF_TOKEN", "from-variable")).Token.ShouldBeNull();
        From(new(), ("HF_TOKEN", "from-variable"), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")).Token.ShouldBeNull();
        From(new(), ("HF_HOME", "/nowhere")).Token.ShouldBeNull();
    }

    [Theory]
    [InlineData("hf_a b")]
    [InlineData("hf_a\nX-Evil: 1")]
    [InlineData("hf_ä")]
    public void A_token_that_cannot_be_one_is_refused_and_not_shown(string token)
    {
        var error = Should.Throw<HubException>(() => From(new() { Token = token }));
        error.Reason.ShouldBe(HubError.InvalidSetting);
        error.Message.ShouldNotContain(token);
    }

    [Theory]
    [InlineData("1", true)]
    [InlineData("true", true)]
    [InlineData("Yes", true)]
    [InlineData("0", false)]
    [InlineData("", false)]
    public void Offline_is_understood_as_Pythons_client_does(string value, bool offline)
    {
        From(new(), ("HF_HUB_OFFLINE", value)).Offline.ShouldBe(offline);
        From(new() { Offline = !offline }, ("HF_HUB_OFFLINE", value)).Offline.ShouldBe(!offline);
    }

    [Fact]
    public void A_mirror_may_have_a_path()
    {
        var settings = From(new(), ("HF_ENDPOINT", "https://mirror.test/hugging/face/"));
        new HubSubject(RepoKind.Model, "org/tiny", "refs/pr/1", "a b/ü#.json").Address(settings.Base)
            .ShouldBe("https://mirror.test/hugging/face/org/tiny/resolve/refs%2Fpr%2F1/a%20b/%C3%BC%23.json");
        From(new()).Base.ShouldBe("https://huggingface.co");
    }

    [Theory]
    [InlineData("mirror")]
    [InlineData("ftp://mirror.test")]
    [InlineData("https://user:pass@mirror.test")]
    public void An_endpoint_that_is_no_address_is_refused(string endpoint)
        => Should.Throw<HubException>(() => From(new() { Endpoint = endpoint })).Reason.ShouldBe(HubError.InvalidSetting);
}
