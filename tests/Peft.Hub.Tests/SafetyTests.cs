namespace Peft.Hub.Tests;

public sealed class SafetyTests : HubFixture
{
    [Theory]
    [InlineData("../evil.json")]
    [InlineData("/etc/evil.json")]
    [InlineData("a/../../evil.json")]
    [InlineData("..")]
    [InlineData("a/.. /evil.json")]
    [InlineData("a//evil.json")]
    [InlineData("..\\evil.json")]
    [InlineData("evil\u0000.json")]
    public async Task A_name_that_leads_out_of_the_folder_is_refused(string name)
    {
        Hub.Small[name] = "evil"u8.ToArray();
        foreach (var filter in new Func<string, bool>?[] { null, _ => true })
        {
            var error = await FailAsync(hub => hub.DownloadModelAsync("org/tiny", filter: filter));
            error.Reason.ShouldBe(HubError.InvalidName);
            error.Message.ShouldContain("org/tiny");
        }
        (await FailAsync(hub => hub.DownloadFileAsync("org/tiny", name))).Reason.ShouldBe(HubError.InvalidName);
        (await FailAsync(hub => hub.DownloadModelAsync("org/tiny", revision: name))).Reason.ShouldBe(HubError.InvalidName);
        Directory.Exists(Cache).ShouldBeFalse();
    }

    [Theory]
    [InlineData("../evil")]
    [InlineData("org/..")]
    [InlineData("a/b/c")]
    [InlineData("org--name")]
    [InlineData("org/na me")]
    [InlineData("org/name\n")]
    [InlineData("org/naïve")]
    [InlineData("/name")]
    [InlineData("")]
    public async Task An_id_that_is_none_is_refused(string id)
    {
        (await FailAsync(hub => hub.DownloadModelAsync(id))).Reason.ShouldBe(HubError.InvalidName);
        Hub.Requests.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("../../evil")]
    [InlineData("a/b")]
    [InlineData(".hidden")]
    public async Task An_etag_that_is_a_path_is_refused(string etag)
    {
        Hub.Fault = request => IsListing(request) ? null : FakeReply.Error(200, ("ETag", $"\"{etag}\""), ("X-Repo-Commit", FakeHub.Commit));
        (await FailAsync()).Reason.ShouldBe(HubError.InvalidAnswer);
    }

    [Fact]
    public async Task A_commit_that_is_a_path_is_refused()
    {
        Hub.Main = "../../evil";
        (await FailAsync()).Reason.ShouldBe(HubError.InvalidAnswer);
        (await FailAsync(hub => hub.DownloadFileAsync("org/tiny", "config.json"))).Reason.ShouldBe(HubError.InvalidAnswer);
    }

    [Fact]
    public async Task The_token_stays_with_the_hub()
    {
        await DownloadAsync();
        Hub.Requests.ShouldContain(request => request.Address.Host == "storage.test");
        Hub.Requests.ShouldAllBe(request => (request.Token == "Bearer secret") == (request.Address.Host == "hub.test"));
    }

    [Theory]
    [InlineData("https://hub.test:8443/storage/")]
    [InlineData("https://hub.test.evil/storage/")]
    [InlineData("//evil.test/storage/")]
    public async Task A_host_that_looks_like_the_hub_does_not_get_the_token(string target)
    {
        Hub.Fault = request => request.Address.AbsolutePath.Contains("/resolve/", StringComparison.Ordinal) && Hub.Usual(request) is { Status: 302 } reply
            ? reply with { Headers = new(reply.Headers) { ["Location"] = target + FakeHub.Sha256(Hub.Large["model.safetensors"]) } } : null;
        await DownloadAsync();
        ShouldBeWhole();
        Hub.Requests.Single(IsStorage).Token.ShouldBeNull();
    }

    [Fact]
    public async Task A_renamed_repository_is_followed_on_the_hub_and_keeps_the_token()
    {
        Hub.Fault = request => request.Address.AbsolutePath.Contains("org/old", StringComparison.Ordinal)
            ? FakeReply.Error(307, ("Location", request.Address.PathAndQuery.Replace("org/old", "org/tiny", StringComparison.Ordinal))) : null;
        var folder = await WithAsync(hub => hub.DownloadModelAsync("org/old"));
        folder.ShouldContain("models--org--old");
        ShouldHold(Path.Combine(folder, "model.safetensors"), Hub.Large["model.safetensors"]);
        Hub.Requests.Where(request => !IsStorage(request)).ShouldAllBe(request => request.Token == "Bearer secret");
    }

    [Theory]
    [InlineData("http://storage.test/x")]
    [InlineData("file:///etc/passwd")]
    public async Task A_redirect_to_what_is_not_secure_is_refused(string target)
    {
        Hub.Fault = request => request.Method == "GET" && request.Address.AbsolutePath.EndsWith("model.safetensors", StringComparison.Ordinal) ? FakeReply.Error(302, ("Location", target)) : null;
        (await FailAsync()).Reason.ShouldBe(HubError.InvalidAnswer);
        Hub.Requests.Count(IsStorage).ShouldBe(0);
    }

    [Fact]
    public async Task A_circle_of_redirects_ends()
    {
        Hub.Fault = request => FakeReply.Error(307, ("Location", request.Address.AbsolutePath));
        (await FailAsync()).Reason.ShouldBe(HubError.InvalidAnswer);
        Hub.Requests.Count.ShouldBeLessThan(20);
    }

    [Fact]
    public void A_handler_that_follows_redirects_by_itself_is_refused()
    {
        using var handler = new HttpClientHandler();
        Should.Throw<HubException>(() => new HubClient(Options with { Handler = handler })).Reason.ShouldBe(HubError.InvalidSetting);
    }

    [Fact]
    public void Options_do_not_show_the_token()
        => new PretrainedOptions { Hub = Options }.ToString().ShouldNotContain("secret");
}
