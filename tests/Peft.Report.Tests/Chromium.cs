using PuppeteerSharp;
using PuppeteerSharp.Media;

namespace Peft.Report.Tests;

/// <summary>A headless Chromium, if this machine has one: `./build.sh setup` installs it on Debian.</summary>
public sealed class Chromium : IAsyncLifetime
{
    private static readonly string[] Names = ["chromium", "chromium-browser", "google-chrome"];

    private IBrowser? browser;

    public async Task InitializeAsync()
    {
        var file = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).SelectMany(_ => Names, Path.Combine).FirstOrDefault(File.Exists);
        if (file is null) return;
        browser = await Puppeteer.LaunchAsync(new() { ExecutablePath = file, Headless = true, Args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"] });
    }

    public async Task DisposeAsync()
    {
        if (browser is not null) await browser.DisposeAsync();
    }

    /// <summary>Opens a file; null without a Chromium.</summary>
    /// <param name="file">The page.</param>
    /// <param name="width">Width of the window in CSS pixels.</param>
    /// <param name="scheme"><c>light</c> or <c>dark</c></param>
    public async Task<OpenPage?> OpenAsync(string file, int width, string scheme)
    {
        if (browser is null) return null;
        var page = await browser.NewPageAsync();
        await page.SetViewportAsync(new() { Width = width, Height = 844 });
        await page.EmulateMediaFeaturesAsync([new MediaFeatureValue { MediaFeature = MediaFeature.PrefersColorScheme, Value = scheme }]);
        var opened = new OpenPage(page);
        await page.GoToAsync(new Uri(file).AbsoluteUri, WaitUntilNavigation.Networkidle0);
        return opened;
    }
}
