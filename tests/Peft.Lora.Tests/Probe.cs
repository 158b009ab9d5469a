namespace Peft.Lora.Tests; public class Probe { [Fact] public void Runs() => TorchSharp.torch.ones(2).sum().item<float>().ShouldBe(2f); }
