using static TorchSharp.torch;

namespace Peft;

internal static class BatchDevice
{
    /// <summary>The batch on a device: itself if it is there, else a copy, and the original is disposed.</summary>
    public static Batch To(this Batch batch, Device device)
    {
        if (batch.InputIds.device_type == device.type && (device.type == TorchSharp.DeviceType.CPU || batch.InputIds.device_index == device.index)) return batch;
        using (batch)
        {
            return new()
            {
                InputIds = batch.InputIds.to(device),
                AttentionMask = batch.AttentionMask?.to(device),
                Labels = batch.Labels?.to(device),
                Extra = batch.Extra.ToDictionary(pair => pair.Key, pair => pair.Value.to(device)),
                PackedLengths = batch.PackedLengths,
                Weight = batch.Weight,
                Tokens = batch.Tokens,
            };
        }
    }
}
