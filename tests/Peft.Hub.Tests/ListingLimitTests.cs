namespace Peft.Hub.Tests;

public sealed class ListingLimitTests : HubFixture
{
    [Fact]
    public async Task A_listing_of_sixty_megabytes_is_refused_and_read_where_the_limit_is_raised()
    {
        var long60 = System.Text.Encoding.UTF8.GetBytes(new string(' ', 60 << 20) + Hub.Listing().ToJsonString());
        Hub.Fault = request => IsListing(request) ? new(200, long60) : null;
        var error = await FailAsync();
        error.Reason.ShouldBe(HubError.InvalidAnswer);
        error.Message.ShouldContain("ResourceLimits.MaxListingBytes is 33,554,432: raise it in HubOptions.Limits");
        (await DownloadAsync(Options with { Limits = new() { MaxListingBytes = 61 << 20 } })).ShouldBe(Snapshot);
    }

    [Theory]
    [InlineData("refs/main")]
    [InlineData("trees")]
    public async Task A_file_of_the_cache_that_is_a_folder_is_named(string what)
    {
        await DownloadAsync();
        var path = Path.Combine(Repository, what == "trees" ? Path.Combine("trees", FakeHub.Commit + ".json") : Path.Combine("refs", "main"));
        File.Delete(path);
        Directory.CreateDirectory(path);
        var error = await FailAsync();
        error.Reason.ShouldBe(HubError.CacheUnusable);
        error.Message.ShouldContain(path);
    }
}
